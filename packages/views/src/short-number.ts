// Numbers for narrow columns.

/** `1.2M`, with three digits at most and a decimal prefix. */
export function shortNumber(value: number): string {
  if (value > 0 && value < 0.5) return '<1';
  const prefixes = ['', 'k', 'M', 'G', 'T'];
  let scaled = value;
  let index = 0;
  while (scaled >= 999.5 && index < prefixes.length - 1) {
    scaled /= 1000;
    index++;
  }
  const digits = index > 0 && scaled < 9.95 ? 1 : 0;
  return `${scaled.toFixed(digits)}${prefixes[index] ?? ''}`;
}

/** `1.2 Gbit/s`. */
export function bitRate(bitsPerSecond: number): string {
  return shortNumber(bitsPerSecond).replace(/[kMGT]?$/, (prefix) => ` ${prefix}bit/s`);
}
