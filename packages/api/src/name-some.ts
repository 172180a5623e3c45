// Many names in one line of a message: the first ten, and how many more there are.

const most = 10;

/** `a, b, c`, or of more than ten `a, …, j, … and 990 more`; '' of none. */
export function nameSome(names: readonly string[], separator = ', '): string {
  const named = names.slice(0, most).join(separator);
  return names.length > most ? `${named}${separator}… and ${names.length - most} more` : named;
}
