// A part of a text that knows where it begins, so that what is wrong in it can be pointed at.

export interface Part {
  readonly text: string;
  /** Of its first character, in UTF-16 units from the beginning of the whole text. */
  readonly start: number;
  trim(): Part;
  split(separator: string): Part[];
  /** What is before the first separator, and what is after it; undefined where there is none. */
  cut(separator: string): [Part, Part | undefined];
}

export function partOf(text: string, start = 0): Part {
  return {
    text,
    start,
    trim: () => partOf(text.trim(), start + text.length - text.trimStart().length),
    split: (separator) => {
      const parts: Part[] = [];
      let at = start;
      for (const piece of text.split(separator)) {
        parts.push(partOf(piece, at));
        at += piece.length + separator.length;
      }
      return parts;
    },
    cut: (separator) => {
      const at = text.indexOf(separator);
      if (at < 0) return [partOf(text, start), undefined];
      return [
        partOf(text.slice(0, at), start),
        partOf(text.slice(at + separator.length), start + at + separator.length),
      ];
    },
  };
}
