// Many names in one line of a message: the first ten, and how many more there are.

const most = 10;

/**
 * `a, b, c`, or of more than ten `a, …, j, … and 990 more`; '' of none.
 * @param count how many there are, where the list has only the first of them.
 */
export function abbreviatedList(
  names: readonly string[],
  separator = ', ',
  count: number = names.length,
): string {
  const named = names.slice(0, most);
  const more = count - named.length;
  return named.join(separator) + (more > 0 ? `${separator}… and ${more} more` : '');
}
