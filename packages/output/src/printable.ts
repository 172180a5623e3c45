// Text that strangers named, as text that a terminal only shows: whatever a terminal would obey, hide or reorder is spelled out.

/**
 * Controls (C0, DEL and C1, which some terminals obey in UTF-8 too), formats (overrides of direction, characters without width, tags),
 * halves of surrogate pairs, ends of lines and paragraphs, and what Unicode gives no meaning (private, unassigned).
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
/** All of them but the end of a line. */
const unprintableInLines = new RegExp(`(?!\n)${unprintable.source}`, 'gu');

/** One line: what a terminal would not just show is spelled out, such as `\u202e`. What JSON says in its strings it says as before. */
export function printable(text: string): string {
  return text.replace(unprintable, spelled);
}

/** As `printable`, for text that has lines of its own. */
export function printableLines(text: string): string {
  return text.replace(unprintableInLines, spelled);
}

/** UTF-16 units, as JSON and JavaScript write them. */
function spelled(character: string): string {
  return character.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Managers name interface types as the specification does, for programs; people read and write them in small letters. */
export function inUsersWords(text: string): string {
  return text.replace(/\b(DEFAULT|KERNEL|VHOST|MEM|SRIOV|HW)_INTERFACE\b/g, (_, type: string) =>
    type.toLowerCase(),
  );
}
