// Patterns of names: `*` stands for any characters, `?` for one.

/** Whether a name fits a pattern. Takes at most the product of both lengths, and for one `*` their sum. */
export function fits(pattern: string, name: string): boolean {
  let star = -1;
  let resume = 0;
  let p = 0;
  for (let n = 0; n < name.length; ) {
    if (pattern[p] === '*') {
      star = p++;
      resume = n;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

export type Fits = (name: string) => boolean;

/** Whether a name fits one of some patterns. */
export function fitsAny(patterns: readonly string[]): Fits {
  const names = new Set(patterns.filter((pattern) => !/[*?]/.test(pattern)));
  const wild = patterns.filter((pattern) => !names.has(pattern));
  if (wild.length === 0) return (name) => names.has(name);
  return (name) => names.has(name) || wild.some((pattern) => fits(pattern, name));
}
