// A queue of which a few entries are checked each time, so that no round checks thousands at once.

const atOnce = 256;

/** The next few entries, which go to the end of the queue. */
export function nextInRound<K, V>(line: Map<K, V>): [K, V][] {
  const next = [...line].slice(0, atOnce);
  for (const [key, value] of next) {
    line.delete(key);
    line.set(key, value);
  }
  return next;
}
