// The same text for the same content: the order of a map's entries, which means nothing, is left out of it.

/** @param content plain values, messages without bigints. Undefined members count as missing. */
export function canonical(content: unknown): string {
  return JSON.stringify(content, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
