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

export function fitsAny(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || patterns.some((pattern) => fits(pattern, name));
}
