// Numbers and times as people read them.

/** `1.2 M`, with three digits at most and a decimal prefix. */
export function short(value: number): string {
  if (value > 0 && value < 0.5) return '<1';
  const prefixes = ['', ' k', ' M', ' G', ' T'];
  let scaled = value;
  let index = 0;
  while (scaled >= 999.5 && index < prefixes.length - 1) {
    scaled /= 1000;
    index++;
  }
  return `${scaled.toFixed(index > 0 && scaled < 9.95 ? 1 : 0)}${prefixes[index] ?? ''}`;
}

/** `1.2 Mbit/s`. */
export function bitRate(bits: number): string {
  const text = short(bits);
  return `${text}${text.includes(' ') ? '' : ' '}bit/s`;
}

/** `85 µs`, `1.2 ms`, `12 ms`, `3.4 s`. */
export function duration(ms: number): string {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  return ms >= 1 ? `${ms.toFixed(1)} ms` : `${Math.round(ms * 1000)} µs`;
}

/** Time since, as `3m` or `2d 4h`; '' of what has no time. */
export function age(since: string, now: number): string {
  if (since === '') return '';
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** Time of day, with the day where that is another than today. */
export function clock(time: string, now: number): string {
  const at = new Date(time);
  const text = at.toLocaleTimeString('en-GB', { hour12: false });
  return at.toDateString() === new Date(now).toDateString()
    ? text
    : `${at.toLocaleDateString('en-CA')} ${text}`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
