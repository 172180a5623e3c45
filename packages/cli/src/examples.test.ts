// Every command shows examples in its help, and each of them is a command line that nsm takes.
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { examples } from './examples.js';
import { buildProgram, pathOf } from './program.js';

const program = await buildProgram();

/** All that do something. */
function leaves(command: Command): Command[] {
  const children = command.commands.filter((one) => !one.name().startsWith('__') && one.name() !== 'help');
  return children.length > 0 ? children.flatMap(leaves) : [command];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (more) => (text += more) }).outputHelp();
  return text;
}

/** The command lines of a text, without what shells do with them. */
function linesIn(text: string): string[] {
  return [...text.matchAll(/^(?: {2}| {4}\$ )(?:source <\()?(nsm [^#>)|\n]+)/gm)].map(([, line = '']) =>
    line.trim(),
  );
}

/** As a shell would; there is no quote within a word here but around all that follows. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

/** Reads a command line as nsm would, and does nothing. @throws CommanderError */
async function read(line: string): Promise<void> {
  const fresh = await buildProgram();
  for (const command of leaves(fresh))
    command.action(() => undefined).configureOutput({ writeErr: () => undefined });
  await fresh.parseAsync(wordsOf(line).slice(1), { from: 'user' });
}

describe('examples', () => {
  it.each(leaves(program).map((command) => [pathOf(command), command] as const))(
    'of %s are taken',
    async (path, command) => {
      const lines = linesIn(helpOf(command));
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        expect(line.startsWith(path)).toBe(true);
        await read(line);
      }
    },
  );

  it('of each group of nsm --help are taken', async () => {
    const help = helpOf(program);
    const lines = linesIn(help).filter((line) => help.includes(`$ ${line}`) || line.includes('completion'));
    expect(lines.length).toBe(help.match(/^\S.*:$/gm)!.length - 2);
    for (const line of lines) await read(line);
  });

  it('say what comes of a line beside it, or above where there is no room', () => {
    expect(examples(['nsm a', 'one'], ['nsm abc', 'two'])).toBe(
      '\nExamples:\n  nsm a    # one\n  nsm abc  # two',
    );
    const long = `nsm ${'x'.repeat(72)}`;
    expect(examples([long, 'one'])).toBe(`\nExamples:\n  # one\n  ${long}`);
  });
});
