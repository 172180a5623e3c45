// The steps of a connection's last order, one below the other in the time that they took.

import type { OrderView } from '@nsm/views/connection-view';
import { millisecondsText } from '@nsm/views/texts';
import type { JSX } from 'preact';
import { attemptsOf } from './attempts.js';

/** Of 1000: bars are drawn in a picture of this width. */
const scale = 1000;

export function Steps({ order }: { order: OrderView }): JSX.Element {
  const total = Math.max(
    order.durationMs,
    ...order.steps.map(({ startMs, durationMs }) => startMs + durationMs),
    0.001,
  );
  const shown = attemptsOf(order.steps).flatMap(({ steps, times }) =>
    steps.map((step, index) => ({ ...step, times: index === 0 ? times : 1 })),
  );
  return (
    <div class="steps">
      <p>
        {order.kind} {order.underWay ? 'for' : 'took'} <b>{millisecondsText(order.durationMs)}</b>
        {order.underWay && ' so far'}
      </p>
      {order.traceId && (
        <p class="quiet">
          trace <code>{order.traceId}</code>
        </p>
      )}
      <ol>
        {shown.map(({ name, manager, component, startMs, durationMs, error, times }, index) => (
          <li key={index} class={error ? 'failed' : ''}>
            <span class="name" title={`${component} of ${manager}`}>
              {name}
              <span class="quiet"> {manager}</span>
              {times > 1 && <span class="label">{times} times, this was the last</span>}
            </span>
            <span class="number">{millisecondsText(durationMs)}</span>
            <svg viewBox={`0 0 ${scale} 10`} preserveAspectRatio="none" aria-hidden="true">
              <rect
                x={(startMs / total) * scale}
                width={Math.max(6, (durationMs / total) * scale)}
                y="1"
                height="8"
                rx="3"
              />
            </svg>
            {error && <p>{error}</p>}
          </li>
        ))}
      </ol>
    </div>
  );
}
