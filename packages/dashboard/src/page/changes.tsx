// The time line: what changed in the mesh, the latest first.
import { computed, useComputed, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import type { Change } from '../model.js';
import { address, linkTo } from './address.js';
import { clock } from './clock.js';
import { finds, unknownKeys } from './filter.js';
import { now } from './now.js';
import { StateMark } from './state-mark.js';
import { changes, thing } from './store.js';

const found = computed(() => {
  const find = finds(address.value.query);
  return changes.value.filter(find).toSorted((a, b) => b.time.localeCompare(a.time) || b.id - a.id);
});

/** Lines at a time. */
const page = 100;

export function Changes(): JSX.Element {
  const most = useSignal(page);
  return (
    <section class="scroller changes" aria-label="What changed" tabIndex={0}>
      <ol>
        {found.value.slice(0, most.value).map((change) => (
          <Line key={change.id} change={change} />
        ))}
      </ol>
      {found.value.length === 0 && (
        <p class="none">
          Nothing has changed{address.value.query ? ' that matches' : ' yet'}.
          {unknownKeys(address.value.query)}
        </p>
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

function Line({ change }: { change: Change }): JSX.Element {
  const { time, what, who, detail, state, about } = change;
  // Drawn anew only when what it is about comes or goes, and not with each change of the mesh.
  const isThere = useComputed(() => thing(about) !== undefined);
  const at = useComputed(() => clock(time, now.value));
  return (
    <li>
      <time dateTime={time}>{at}</time>
      <StateMark state={state} bare />
      <span>
        {isThere.value ? <a {...linkTo({ select: about })}>{who}</a> : who} <b>{what}</b>
        {detail && <span class="quiet"> · {detail}</span>}
      </span>
    </li>
  );
}
