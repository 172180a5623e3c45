// The steps of a connection's last order, one below the other in the time that they took.
import type { JSX } from 'preact';
import type { Order } from '../../model.js';
import { duration } from '../format.js';

/** Of 1000: bars are drawn in a picture of this width. */
const scale = 1000;

export function Steps({ order }: { order: Order }): JSX.Element {
  const total = Math.max(
    order.durationMs,
    ...order.steps.map(({ startMs, durationMs }) => startMs + durationMs),
    0.001,
  );
  return (
    <div class="steps">
      <p>
        {order.kind} took <b>{duration(order.durationMs)}</b>
        {order.traceId && <span class="quiet"> · trace {order.traceId}</span>}
      </p>
      <ol>
        {order.steps.map(({ name, manager, component, startMs, durationMs, error }, index) => (
          <li key={index} class={error ? 'failed' : ''}>
            <span class="name" title={`${component} of ${manager}`}>
              {name}
              <span class="quiet"> {manager}</span>
            </span>
            <span class="number">{duration(durationMs)}</span>
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
