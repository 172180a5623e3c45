// What was sent and what arrived, compared byte by byte: faults in words, none when all is well.
import { waitFor } from '@nsm/testkit';

export interface Delivery {
  /** By number, such as a length, which faults name: what the receiver must get, each once, in any order. */
  readonly expected: ReadonlyMap<number, Buffer>;
  readonly send: (number: number) => void;
  /** What came since the last look. */
  readonly receive: () => readonly Buffer[];
  /** At once on their way, which every queue between has room for. Default 32. */
  readonly window?: number;
}

/** Milliseconds without any arrival until the rest of a window is taken for lost, and those at the end. */
const patience = { window: 300, end: 2_000 };

/** Sends all, and tells what did not arrive as it should have; `what` stands before each fault. */
export const faultsOf = async (
  what: string,
  { expected, send, receive, window = 32 }: Delivery,
): Promise<string[]> => {
  const missing = new Map<string, number>();
  for (const [number, bytes] of expected) missing.set(bytes.toString('latin1'), number);
  const arrived = new Set<string>();
  const strange: string[] = [];
  const look = (): number => {
    const found = receive();
    for (const bytes of found) {
      const key = bytes.toString('latin1');
      if (missing.delete(key)) arrived.add(key);
      else strange.push(`${arrived.has(key) ? 'once more' : 'something else'}: ${describe(bytes)}`);
    }
    return found.length;
  };
  const numbers = [...expected.keys()];
  for (let start = 0; start < numbers.length; start += window) {
    const batch = numbers.slice(start, start + window);
    const before = missing.size;
    for (const number of batch) send(number);
    await settled(() => before - missing.size >= batch.length, look, patience.window);
  }
  await settled(() => missing.size === 0, look, patience.end);
  return [
    ...(missing.size > 0 ? [`missing: ${ranges([...missing.values()])} of ${numbers.length}`] : []),
    ...strange.slice(0, 5),
    ...(strange.length > 5 ? [`and ${strange.length - 5} more that were not sent`] : []),
  ].map((fault) => `${what}: ${fault}`);
};

/** Looks until `all` is so, or nothing came for that long. */
const settled = async (all: () => boolean, look: () => number, patienceMs: number): Promise<void> => {
  const more = (): boolean => look() > 0 || all();
  do {
    const cameAnything = await waitFor(more, { timeout: patienceMs, interval: 1 }).catch(() => false);
    if (!cameAnything) return;
  } while (!all());
};

const describe = (bytes: Buffer): string =>
  `${bytes.length} bytes ${bytes.subarray(0, 40).toString('hex')}${bytes.length > 40 ? '…' : ''}`;

/** `20–45, 47`. */
const ranges = (numbers: readonly number[]): string => {
  const found: [first: number, last: number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const range = found.at(-1);
    if (range && range[1] === number - 1) range[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
};
