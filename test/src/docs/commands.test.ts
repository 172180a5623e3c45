// Every nsm command that a page shows or names is one that the program takes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgram } from '@nsm/cli';
import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { nsmCommandsIn, typedIn } from './commands.js';
import { otherPages, readBlocks, root, userPages } from './pages.js';

const pages = [...userPages(), ...otherPages()];

/** Languages of blocks in which a command that is not typed could hide. */
const forReading = new Set(['', 'text']);

/** @returns what the program has against these words; '' when they are a command line of it. */
async function complaintAbout(words: readonly string[]): Promise<string> {
  const program = await buildProgram(words);
  everyCommand(program, (command) => {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
  });
  try {
    // Of a variable the shell makes some value.
    const values = words.map((word) => word.replace(/\$\w+/g, 'VALUE'));
    await program.parseAsync(values, { from: 'user' });
    return '';
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? '' : error.message;
  }
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}

/** What is wrong with a command that prose names: it may leave things out, and have words that stand for others. */
function wrongIn(words: readonly string[], program: Command): string {
  let command = program;
  for (const word of words) {
    const child = command.commands.find((one) => one.name() === word);
    if (child) command = child;
    else if (word.startsWith('--')) {
      const long = word.replace(/=.*/, '');
      const known = [command, program].some(({ options }) => options.some((option) => option.long === long));
      if (!known && long !== '--help') return `${command.name()} has no flag ${long}`;
    } else if (command.commands.length > 0 && /^[a-z][a-z-]*$/.test(word))
      return `${command.name()} has no command ${word}`;
  }
  return '';
}

describe('what is read from a page', () => {
  it('are the commands of a shell, whatever stands around them', () => {
    expect(nsmCommandsIn('KUBECONFIG=/x npx nsm get "managers" | jq . # nsm no')).toEqual([
      ['get', 'managers'],
    ]);
    expect(nsmCommandsIn('a=$(nsm pki join-token) && nsm status >/dev/null 2>&1 &')).toEqual([
      ['pki', 'join-token'],
      ['status'],
    ]);
    expect(nsmCommandsIn('kubectl exec x -- nsm nonsense')).toEqual([]);
  });

  it('are blocks, with the comments that are about them', () => {
    const text =
      'x\n\n<!-- not run: a\nb -->\n```sh\nnsm a \\\n  b\nnsm c\n```\n<!-- sh\nnsm d\n-->\n\n```console\nfirst# nsm e\nout\n$ f\n```\n';
    const blocks = readBlocks('p.md', text);
    expect(blocks.map(({ language, line, notRun }) => [language, line, notRun])).toEqual([
      ['sh', 6, 'a\nb'],
      ['hidden', 11, undefined],
      ['console', 15, undefined],
    ]);
    expect(blocks.flatMap(typedIn)).toEqual([
      { line: 6, text: 'nsm a \\\n  b' },
      { line: 8, text: 'nsm c' },
      { line: 11, text: 'nsm d' },
      { line: 15, machine: 'first', text: 'nsm e', shown: ['out'] },
      { line: 17, text: 'f' },
    ]);
  });
});

describe.each(pages)('$path', ({ path, text, blocks }) => {
  it('shows commands that nsm takes', async () => {
    const wrong: string[] = [];
    for (const typed of blocks.flatMap(typedIn))
      for (const words of nsmCommandsIn(typed.text)) {
        const complaint = await complaintAbout(words);
        if (complaint !== '') wrong.push(`${path}:${typed.line}: nsm ${words.join(' ')}: ${complaint}`);
      }
    expect(wrong).toEqual([]);
  });

  it.skipIf(path.startsWith('docs/reference/'))('has no command in a block that nobody tries', () => {
    const hiding = blocks
      .filter(({ language }) => forReading.has(language))
      .flatMap(({ line, lines }) => lines.map((content, index) => ({ content, line: line + index })))
      .filter(({ content }) => /^(\S*[$#] +)?(npx +)?(nsm|npm) /.test(content));
    expect(
      hiding.map(({ line, content }) => `${path}:${line}: write it in a block of sh or console: ${content}`),
    ).toEqual([]);
  });

  it('shows files as they are', () => {
    for (const { is, lines } of blocks)
      if (is !== undefined) expect(`${lines.join('\n')}\n`, is).toBe(readFileSync(join(root, is), 'utf8'));
  });

  it('names commands and flags that there are', async () => {
    const program = await buildProgram();
    const prose = text.replace(/^```[\s\S]*?^```$/gm, '');
    const wrong = [...prose.matchAll(/(?<!`)`nsm ([^`]+)`/g)].flatMap(([span, words = '']) => {
      const problem = wrongIn(words.split(/\s+/), program);
      return problem === '' ? [] : [`${span}: ${problem}`];
    });
    expect(wrong).toEqual([]);
  });
});
