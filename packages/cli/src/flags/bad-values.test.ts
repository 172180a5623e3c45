// Every flag of every command looks at its value before anything is done: a bad one is a wrong command line, and told with the form that is right.
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { exitStatus, failureOf } from '../exit-status.js';
import { buildProgram } from '../program.js';

/** What commands must be given beside the flag. */
const given: Readonly<Record<string, readonly string[]>> = {
  connect: ['vpn'],
  disconnect: ['vpn'],
  endpoint: ['icmp-responder'],
  get: ['connections'],
  describe: ['manager'],
  ping: ['id'],
  trace: ['id'],
  capture: ['id'],
  bench: ['id'],
  'policy test': ['netns=red', 'vpn'],
  'pki issue': ['node-a'],
  'lab up': ['lab.yaml'],
  'kubernetes webhook': ['--image', 'nsm'],
  __names: ['labs'],
};
/** Flags whose values may be anything, or whose value the command reads itself before it does anything. */
const anything = [
  ...['--id <connection>', '--etcd-user <name>'],
  ...['--address <client[=endpoint]>', '--as <subject>', '--filter <expression>'],
];
const isAnything = (flags: string): boolean =>
  anything.includes(flags) || /<(dir|file|path)>$/.test(flags) || /--(no-|dashboard )/.test(flags);
/** Neither a name, a number, a URL nor a network namespace. */
const bad = ' ./a b';

const leaves = (command: Command, path: readonly string[] = []): string[][] =>
  command.commands.length === 0
    ? [[...path]]
    : command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
const at = (program: Command, path: readonly string[]): Command =>
  path.reduce((command, name) => command.commands.find((one) => one.name() === name) as Command, program);

describe('a bad value of a flag', async () => {
  const paths = leaves(await buildProgram()).filter((path) => path[0] !== 'help');

  it.each(paths.map((path) => path.join(' ')))('of nsm %s is a wrong command line', async (name) => {
    const path = name.split(' ');
    const program = await buildProgram([], true);
    for (const option of at(program, path).options) {
      if (option.isBoolean() || isAnything(option.flags)) continue;
      const again = await buildProgram([], true);
      at(again, path).action(() => expect.unreachable(`${name} takes ${option.flags}`));
      const parsed = again.parseAsync([...path, ...(given[name] ?? []), option.long ?? '', bad], {
        from: 'user',
      });
      const failure = failureOf(await parsed.catch((thrown: unknown) => thrown));
      expect(failure, option.flags).toMatchObject({ status: exitStatus.usage, kind: 'usage' });
      expect(failure.message, option.flags).toContain(option.long);
    }
  });
});
