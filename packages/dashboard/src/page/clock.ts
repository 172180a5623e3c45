// Times of day.

/** Time of day, with the day where that is another than today. */
export function clock(time: string, now: number): string {
  const at = new Date(time);
  const text = at.toLocaleTimeString('en-GB', { hour12: false });
  return at.toDateString() === new Date(now).toDateString()
    ? text
    : `${at.toLocaleDateString('en-CA')} ${text}`;
}
