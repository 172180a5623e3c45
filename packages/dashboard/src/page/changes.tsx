// The time line: what changed in the mesh, the latest first.
import { computed, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { address, linkTo } from './address.js';
import { finds } from './filter.js';
import { clock } from './format.js';
import { now } from './now.js';
import { StateMark } from './state-mark.js';
import { changes, thing } from './store.js';

const found = computed(() => {
  const find = finds(address.value.query);
  return changes.value.filter(find).toSorted((a, b) => b.time.localeCompare(a.time) || b.id - a.id);
});

/** Lines at a time. */
const page = 200;

export function Changes(): JSX.Element {
  const most = useSignal(page);
  const shown = found.value.slice(0, most.value);
  return (
    <section class="scroller changes" aria-label="What changed" tabIndex={0}>
      <ol>
        {shown.map(({ id, time, what, who, detail, state, about }) => (
          <li key={id}>
            <time dateTime={time}>{clock(time, now.value)}</time>
            <StateMark state={state} bare />
            <span>
              {thing(about) ? <a {...linkTo({ select: about })}>{who}</a> : who} <b>{what}</b>
              {detail && <span class="quiet"> · {detail}</span>}
            </span>
          </li>
        ))}
      </ol>
      {shown.length === 0 && (
        <p class="none">Nothing has changed{address.value.query ? ' that matches' : ' yet'}.</p>
      )}
      {found.value.length > most.value && (
        <button
          type="button"
          onClick={() => {
            most.value += page;
          }}
        >
          Earlier
        </button>
      )}
    </section>
  );
}
