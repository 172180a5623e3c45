// The pages people read, and what of them is to be typed. Comments before a block, which readers do not see, say how it is run:
//   <!-- not run: REASON -->    not at all; the reason is printed
//   <!-- stays: TEXT -->        each of its commands is there when it has printed TEXT, or has ended well
//   <!-- on: MACHINE -->        they are typed on one of `machines` or `pods` (prelude.sh)
//   <!-- file: NAME -->         it is the content of a file, which is made
//   <!-- is: PATH -->           it is what a file of the clone has
//   <!-- where ID=COMMAND -->   ID in it stands for what the command prints; the command before it printed $LAST
//   <!-- sh … -->               commands by themselves, which the page needs and readers do not
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../../..', import.meta.url));

export interface Block {
  readonly path: string;
  /** Of its first line, from 1 on. */
  readonly line: number;
  /** `hidden` for the commands that stand in a comment. */
  readonly language: string;
  readonly lines: readonly string[];
  readonly notRun?: string;
  readonly stays?: string;
  readonly on?: string;
  readonly file?: string;
  readonly is?: string;
  readonly where: Readonly<Record<string, string>>;
}

export interface Page {
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** README.md and all of docs/ but what is generated, and what tells of the past. */
export function userPages(): Page[] {
  const docs = readdirSync(join(root, 'docs')).filter(
    (name) => name.endsWith('.md') && name !== 'decisions.md',
  );
  return ['README.md', ...docs.toSorted().map((name) => `docs/${name}`), 'examples/README.md'].map(readPage);
}

/** Pages whose commands are read, and not run: those of the packages, and the examples of the help. */
export function otherPages(): Page[] {
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`);
  const pages = [...packages.filter((path) => existsSync(join(root, path))), 'docs/reference/commands.md'];
  return pages.map(readPage);
}

function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, blocks: readBlocks(path, text) };
}

/** A fenced block, or a comment. */
const part = /^```(?<language>.*)\n(?<body>[\s\S]*?)^```$|^<!-- ?(?<comment>[\s\S]*?)-->$/gm;

export function readBlocks(path: string, text: string): Block[] {
  const blocks: Block[] = [];
  let notes: string[] = [];
  let end = 0;
  for (const match of text.matchAll(part)) {
    const { language, body = '', comment } = match.groups ?? {};
    // A comment is about the block that follows it at once.
    if (text.slice(end, match.index).trim() !== '') notes = [];
    end = match.index + match[0].length;
    const line = text.slice(0, match.index).split('\n').length + 1;
    if (language !== undefined) {
      blocks.push({ path, line, language, lines: body.split('\n').slice(0, -1), ...readNotes(notes) });
      notes = [];
    } else if (comment?.startsWith('sh\n'))
      blocks.push({ path, line, language: 'hidden', lines: comment.split('\n').slice(1, -1), where: {} });
    else notes.push(comment?.trim() ?? '');
  }
  return blocks;
}

type Notes = Pick<Block, 'notRun' | 'stays' | 'on' | 'file' | 'is' | 'where'>;

const fields: Readonly<Record<string, keyof Notes>> = {
  'not run': 'notRun',
  stays: 'stays',
  on: 'on',
  is: 'is',
  file: 'file',
};

function readNotes(notes: readonly string[]): Notes {
  const where: Record<string, string> = {};
  let read: Notes = { where };
  for (const note of notes) {
    const [, name = '', value = ''] = /^(not run|stays|on|file|is): *(.*)$/s.exec(note) ?? [];
    const field = fields[name];
    if (field) read = { ...read, [field]: value };
    const [, placeholder = '', command = ''] = /^where ([A-Z_]+)=(.*)$/s.exec(note) ?? [];
    if (placeholder !== '') where[placeholder] = command;
  }
  return read;
}
