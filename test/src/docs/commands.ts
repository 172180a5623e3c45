// What is typed in a block: commands with what they print, and the words of each nsm command among them.
import type { Block } from './pages.js';

export interface Typed {
  /** Of the page, from 1 on. */
  readonly line: number;
  /** The machine it is typed on, where the prompt names one. */
  readonly machine?: string;
  readonly text: string;
  /** The lines that the page shows beneath it; undefined where it shows no output at all. */
  readonly shown?: readonly string[];
}

/** `$ `, `# `, or the name of a machine and one of them. */
const prompt = /^(?<machine>[a-z][a-z0-9-]*)?[$#] +(?<text>.*)$/;

/** Commands of a block, in their order; none of a block that is not for a shell. */
export function typedIn(block: Block): Typed[] {
  if (block.language === 'console') return typedAtPrompts(block);
  if (block.language !== 'sh' && block.language !== 'hidden') return [];
  const typed: Typed[] = [];
  let [text, line] = ['', 0];
  for (const [index, next] of block.lines.entries()) {
    if (text === '') line = block.line + index;
    text += text === '' ? next : `\n${next}`;
    if (isUnfinished(text)) continue;
    if (text.trim() !== '' && !text.trimStart().startsWith('#')) typed.push({ line, text });
    text = '';
  }
  return text === '' ? typed : [...typed, { line, text }];
}

function typedAtPrompts({ lines, line }: Block): Typed[] {
  const typed: { line: number; machine?: string; text: string; shown?: string[] }[] = [];
  for (const [index, text] of lines.entries()) {
    const last = typed.at(-1);
    const { machine, text: command } = prompt.exec(text)?.groups ?? {};
    if (last && !last.shown && isUnfinished(last.text)) last.text += `\n${text}`;
    else if (command !== undefined)
      typed.push({ line: line + index, ...(machine !== undefined && { machine }), text: command });
    else if (last) {
      last.shown ??= [];
      last.shown.push(text);
    }
  }
  return typed;
}

/** Whether a shell would wait for more: after a backslash, within quotes, or in a loop, a function or a here-document. */
function isUnfinished(text: string): boolean {
  if (text.endsWith('\\')) return true;
  const bare = text.replace(/'[^']*'|"(?:[^"\\]|\\.)*"/gs, '').replace(/(^|\s)#.*$/gm, '$1');
  if (/['"]/.test(bare)) return true;
  const count = (pattern: RegExp): number => bare.match(pattern)?.length ?? 0;
  const [, end] = /<<-?(\w+)/.exec(text.replaceAll(/['"]/g, '')) ?? [];
  if (end !== undefined && !text.split('\n').slice(1).includes(end)) return true;
  return (
    count(/(^|[;&|]\s*|\n)\s*(for|while|if|case)\b/g) > count(/\b(done|fi|esac)\b/g) ||
    count(/[{(]/g) > count(/[})]/g)
  );
}

/** The words of each nsm command in a line of a shell, without `nsm` itself. */
export function nsmCommandsIn(text: string): string[][] {
  return simpleCommandsIn(text).flatMap((words) => {
    const at = words.indexOf('nsm');
    if (at < 0) return [];
    const before = words.slice(0, at).filter((word) => !/^[A-Z_]+=/.test(word));
    // Another program may have the word nsm as one of its own arguments.
    if (before.length > 0 && !['npx', 'sudo', 'exec', 'timeout', 'do', 'then'].includes(before[0] ?? ''))
      return [];
    return [words.slice(at + 1)];
  });
}

/** Words of each command that a shell would run one by one. What is in `$(…)` comes as commands of its own. */
function simpleCommandsIn(text: string): string[][] {
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | undefined;
  let redirected = false;
  const endWord = (): void => {
    if (word !== undefined && !redirected) words.push(word);
    if (word !== undefined) redirected = false;
    word = undefined;
  };
  const endCommand = (): void => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (text.startsWith('$(', at)) {
      const end = closing(text, at + 1);
      commands.push(...simpleCommandsIn(text.slice(at + 2, end)));
      word = `${word ?? ''}VALUE`;
      at = end;
    } else if (character === "'" || character === '"') {
      const end = endOfQuoted(text, at);
      word = (word ?? '') + text.slice(at + 1, end);
      at = end;
    } else if (character === '\\') {
      if (text[at + 1] !== '\n') word = (word ?? '') + (text[at + 1] ?? '');
      at += 1;
    } else if (character === '#' && word === undefined) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end - 1;
    } else if (/[<>]/.test(character)) {
      if (/^\d$/.test(word ?? '')) word = undefined;
      endWord();
      redirected = text[at + 1] !== '(';
    } else if (/[;&|\n(){}]/.test(character)) {
      // `>&2` is one redirection, `name=(…)` and `${name}` are words.
      if (character === '&' && redirected) continue;
      endCommand();
    } else if (/\s/.test(character)) endWord();
    else word = (word ?? '') + character;
  }
  endCommand();
  return commands;
}

/** Where the quotes close that open at `from`. */
function endOfQuoted(text: string, from: number): number {
  const quotes = text[from] ?? '';
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === quotes) return at;
    if (text[at] === '\\' && quotes === '"') at += 1;
  }
  return text.length;
}

/** Where the parenthesis closes that opens at `from`. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return text.length;
}
