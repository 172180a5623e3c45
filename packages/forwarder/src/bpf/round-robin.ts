// A line of which a few are looked at each time, so that nobody looks at thousands at once.

const atOnce = 256;

/** The next few; those go to the end of the line. */
export function nextInRound<K, V>(line: Map<K, V>): [K, V][] {
  const next = [...line].slice(0, atOnce);
  for (const [key, value] of next) {
    line.delete(key);
    line.set(key, value);
  }
  return next;
}
