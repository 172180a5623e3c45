// What a watch has told of already, so that after a break it tells only what has changed meanwhile.
import type { WatchView } from './watch-view.js';

export class Known {
  /** What was told last of each thing that there is. */
  readonly #last = new Map<string, WatchView>();
  /** Things that are there after a break, while they are being told of again. Undefined: all has been told. */
  #again: Set<string> | undefined;
  /** All that there was at the beginning has been told: whatever comes is new. */
  #complete = false;

  /** From now on everything that there is comes again. */
  begin(): void {
    if (this.#last.size > 0) this.#again = new Set();
  }

  /** What is news of an event, in order. */
  *newsOf(event: WatchView): Generator<WatchView> {
    if (event.kind === 'synced') {
      yield* this.#missing(event);
      this.#complete = true;
    }
    const name = nameOf(event);
    if (name === undefined) return yield event;
    const before = this.#last.get(name);
    this.#again?.add(name);
    if (event.kind === 'removed') this.#last.delete(name);
    else this.#last.set(name, event);
    if (event.kind !== 'present') return yield event;
    if (!before) return yield this.#complete ? { ...event, kind: 'added' } : event;
    if (contentOf(before) !== contentOf(event)) yield { ...event, kind: 'changed' };
  }

  /** Those that did not come again. */
  *#missing({ time }: WatchView): Generator<WatchView> {
    const again = this.#again;
    this.#again = undefined;
    if (!again) return;
    for (const [name, last] of this.#last) {
      if (again.has(name)) continue;
      this.#last.delete(name);
      yield { ...last, kind: 'removed', time, reason: 'gone when the manager was there again' };
    }
  }
}

/** Undefined of what happens and does not stay. */
function nameOf({ topic, connection, endpoint, manager, policy }: WatchView): string | undefined {
  if (connection) return `${topic} ${connection.id}`;
  if (endpoint) return `${topic} ${endpoint.service}/${endpoint.namespace}/${endpoint.name}`;
  if (manager) return `${topic} ${manager.name}`;
  return policy && `${topic}`;
}

function contentOf({ connection, endpoint, manager, policy }: WatchView): string {
  return JSON.stringify([connection, endpoint, manager, policy]);
}
