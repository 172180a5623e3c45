// What others said, in messages and logs of ours: it can neither fill them nor speak to a terminal.
import { printable } from '@nsm/output';

/** Shows a value in a message without letting it fill the log or speak to the terminal. */
export function quote(text: string): string {
  const shown = text.length > 64 ? `${text.slice(0, 64)}… (${text.length} characters)` : text;
  return printable(JSON.stringify(shown));
}

/** Characters of others' words that are passed on. */
const maxWords = 1000;

/** Others' words as a line of a message, cut where they are too long. */
export function oneLine(text: string): string {
  const line = printable(text.slice(0, maxWords).replace(/\s*[\r\n]\s*/g, ' '));
  return text.length > maxWords ? `${line}… (${text.length} characters)` : line;
}

/** The reason that another manager gives for what it does to a connection, as a line. */
export function wordsOf({ reason }: { readonly reason: string }): string {
  return reason === '' ? 'closed by the other manager' : oneLine(reason);
}

/** What another manager says of its half, for people of this node. */
export function toldBy(manager: string, reason: string): string {
  return `on node "${manager}": ${reason}`;
}
