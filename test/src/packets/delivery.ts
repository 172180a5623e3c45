// What was sent and what arrived, compared byte by byte: faults in words, none when all is well.
import { waitFor } from '@nsm/testkit';

export interface Delivery<Name extends number | string> {
  /** By name, such as a length, which faults tell: what the receiver must get, each once, in any order. */
  readonly expected: ReadonlyMap<Name, Buffer>;
  readonly send: (name: Name) => void;
  /** What came since the last look. */
  readonly receive: () => readonly Buffer[];
  /** At once on their way, which every queue between has room for. Default 32. */
  readonly window?: number;
}

/** Milliseconds without any arrival until the rest of a window is taken for lost, and those at the end. */
const patience = { window: 2_000, end: 5_000 };
/** Windows of which nothing arrives until no more are tried. */
const silentWindows = 3;

/** Sends all, and tells what did not arrive as it should have; `what` stands before each fault. */
export const faultsOf = async <Name extends number | string>(
  what: string,
  { expected, send, receive, window = 32 }: Delivery<Name>,
): Promise<string[]> => {
  const missing = new Map<string, Name>();
  for (const [name, bytes] of expected) missing.set(bytes.toString('latin1'), name);
  if (missing.size < expected.size) throw new Error(`${what}: two that nobody can tell apart`);
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
  const names = [...expected.keys()];
  let silent = 0;
  for (let start = 0; start < names.length && silent < silentWindows; start += window) {
    const batch = names.slice(start, start + window);
    const before = missing.size;
    for (const name of batch) send(name);
    await settled(() => before - missing.size >= batch.length, look, patience.window);
    silent = missing.size < before ? 0 : silent + 1;
  }
  await settled(() => missing.size === 0, look, patience.end);
  return [
    ...(missing.size > 0 ? [`missing: ${listed([...missing.values()])} of ${names.length}`] : []),
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
  `${bytes.length} bytes ${bytes.subarray(0, 64).toString('hex')}${bytes.length > 64 ? '…' : ''}`;

/** `20–45, 47`. */
const listed = (names: readonly (number | string)[]): string => {
  const found: [first: number | string, last: number | string][] = [];
  for (const name of names) {
    const range = found.at(-1);
    if (range && typeof name === 'number' && range[1] === name - 1) range[1] = name;
    else found.push([name, name]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
};
