// V8's young generation grows, to 32 MiB, while much is made that lasts, as when a thousand records arrive. V8 makes it smaller only
// in a full collection while little is made, and a process that does little has none by itself.
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Milliseconds between two looks: V8 knows by what was made in the last five seconds whether that is little. */
export const lookEveryMs = 15_000;
/** Bytes of a young generation that stays. */
const smallBytes = 6 << 20;
/** Share of its time that the main thread of an idle process works at most. */
const idleShare = 0.05;

/** Gives the young generation's memory back when the process has been idle since the last look. */
export class IdleMemory {
  #seen: EventLoopUtilization = performance.eventLoopUtilization();

  look(): void {
    const before = this.#seen;
    this.#seen = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(this.#seen, before);
    if (utilization <= idleShare && youngBytes() > smallBytes) collect();
  }
}

/** Bytes that the system has given for it. */
export function youngBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return young?.physical_space_size ?? 0;
}

/** Takes 10 to 20 ms of the main thread, in a turn of its own. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (how: object) => void;
  // The code that Node.js keeps of its modules is taken by the flags alone that it was made by.
  setFlagsFromString('--no-expose-gc');
  gc({ type: 'major', execution: 'async' });
}
