// Nothing that strangers named reaches a terminal unescaped, nor a shell: a manager whose every word is hostile, and every command that
// shows what a manager says, in a pipe and on a terminal.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { admin, Server } from '@nsm/api';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nsmProgram } from '../mesh/nsm-command.js';

const execute = promisify(execFile);

/** An order to a terminal, in C0 and C1; text that runs backwards, is not seen, or begins a line; a command for a shell. */
const evil =
  '$(touch owned)\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\u200b\u{e0041}\r\nnsm: all is well';

/** What a terminal would obey, hide or reorder, but for the end of a line. */
const notForTerminals = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

/** They serve, write files, or use what pods use: each word that they show is in a log, or was asked for. */
const daemons = /^(?:connect|dashboard|disconnect|endpoint|manager|forwarder|registry|kubernetes)\b/;
const cli = new URL('../../../packages/cli/dist', import.meta.url).href;

/** A message with every string hostile, and one of everything else, so many messages deep. */
function hostile<Desc extends DescMessage>(schema: Desc, depth = 5): MessageShape<Desc> {
  const message = create(schema);
  const filled = reflect(schema, message);
  for (const field of schema.fields) {
    if (field.oneof && field.oneof.fields[0] !== field) continue;
    if (field.fieldKind === 'scalar' && typeof filled.get(field) === 'string') filled.set(field, evil);
    if (field.fieldKind === 'message' && depth > 0)
      filled.set(field, reflect(field.message, hostile(field.message, depth - 1)));
    if (field.fieldKind === 'list') {
      const list = filled.get(field);
      if (field.listKind === 'scalar' && field.scalar === 9) list.add(evil);
      if (field.listKind === 'message' && depth > 0)
        list.add(reflect(field.message, hostile(field.message, depth - 1)));
    }
    if (field.fieldKind === 'map' && field.mapKind === 'scalar' && field.mapKey === 9 && field.scalar === 9)
      filled.get(field).set(evil, evil);
  }
  return message;
}

describe('a manager whose every word is hostile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-hostile-'));
  const server = new Server();
  const env = { ...process.env, NSM_RUN_DIR: folder, TERM: 'xterm-256color', NO_COLOR: '', CI: '' };

  beforeAll(async () => {
    const reply =
      <Desc extends DescMessage>(schema: Desc) =>
      async (): Promise<MessageShape<Desc>> =>
        hostile(schema);
    const methods = Object.fromEntries(
      admin.Admin.methods.map((method) => [
        method.localName,
        method.methodKind === 'unary'
          ? reply(method.output)
          : async function* () {
              yield hostile(method.output);
            },
      ]),
    );
    server.add(admin.Admin, methods as never);
    await server.listenUnix(join(folder, 'admin.sock'), { mode: 0o600 });
    await runAll();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const commands = [
    ...['services', 'endpoints', 'managers', 'connections', 'interfaces', 'tunnels'].map((kind) => [
      'get',
      kind,
    ]),
    ['describe', 'manager'],
    ...['service', 'endpoint', 'connection'].map((kind) => ['describe', kind, evil]),
    ['describe', 'endpoint', 'unknown'],
    ['status'],
    ['top', '--count', '1', '--interval', '50ms'],
    ['policy', 'show'],
    ['policy', 'test', 'uid=1', 'any'],
    ['explain', 'any'],
    ['check', '--only', 'mesh'],
    ['ping', evil, '--count', '1'],
    ['trace', evil],
    ['bench', evil],
    ['gather', '-o', '/dev/null'],
    ['capture', evil, '--count', '1'],
    ['watch'],
    ['drain'],
  ].flatMap((command) => [command, [...command, '--json']]);

  const names = ['services', 'endpoints', 'connections'].map((kind) => ['__names', kind]);
  /** What each command writes. */
  const outputs = new Map<readonly string[], string>();
  /** One process runs all commands, and marks where each ends. */
  const runAll = async (): Promise<void> => {
    const program = `import { runCommand } from ${JSON.stringify(`${cli}/main.js`)};
      for (const argv of JSON.parse(process.argv[1])) {
        await runCommand(argv);
        for (const stream of [process.stdout, process.stderr]) stream.write('\\0');
      }
      process.exit(0);`;
    const all = [...commands, ...names];
    const { stdout, stderr } = await execute(
      process.execPath,
      ['--input-type=module', '-e', program, JSON.stringify(all)],
      { env },
    );
    const [out, err] = [stdout.split('\0'), stderr.split('\0')];
    expect([out.length, err.length]).toEqual([all.length + 1, all.length + 1]);
    for (const [index, command] of all.entries()) outputs.set(command, `${out[index]}${err[index]}`);
  };

  /** Standard output and error, whatever the status. */
  const outputOf = async (file: string, args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await execute(file, args, { env }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    return `${stdout}${stderr}`;
  };

  it.each(commands.map((command) => [command.join(' ').replace(evil, 'EVIL'), command] as const))(
    'nsm %s is text that a terminal only shows',
    (_, command) => {
      const seen = outputs.get(command) ?? '';
      expect(seen).not.toBe('');
      expect(seen).not.toMatch(notForTerminals);
      // The text of a policy is an operator's, and has lines of its own.
      if (command[0] !== 'policy') expect(seen).not.toMatch(/^nsm: all is well/m);
    },
  );

  it('is every command that asks a manager for what to show', async () => {
    const { buildProgram } = (await import(`${cli}/program.js`)) as {
      buildProgram: () => Promise<Command>;
    };
    const leaves = (command: Command, path: readonly string[]): string[] =>
      command.commands.length > 0
        ? command.commands.flatMap((one) => leaves(one, [...path, one.name()]))
        : command.options.some(({ long }) => long === '--run-dir')
          ? [path.join(' ')]
          : [];
    const tried = [...commands, ...names].map((command) => `${command.join(' ')} `);
    const untried = leaves(await buildProgram(), []).filter(
      (name) => !daemons.test(name) && !tried.some((command) => command.startsWith(`${name} `)),
    );
    expect(untried).toEqual([]);
  });

  const noTerminal = spawnSync('script', ['--version']).status !== 0;
  it.skipIf(noTerminal)('is shown on a terminal with colours of ours alone', async () => {
    const quoted = [process.execPath, nsmProgram, 'get', 'endpoints'].map((word) => `'${word}'`).join(' ');
    const seen = await outputOf('script', ['-qec', quoted, '/dev/null']);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const text = seen.replace(/\x1b\[(?:1|2|22|31|32|33|39)m/g, '').replaceAll('\r\n', '\n');
    expect(seen).not.toBe(text);
    expect(text).toContain('\\u202eevil');
    expect(text).not.toMatch(notForTerminals);
  });

  it.skipIf(noTerminal)('is shown without any escape where NO_COLOR is set', async () => {
    const words = [process.execPath, nsmProgram, 'explain', 'any'].map((word) => `'${word}'`).join(' ');
    const seen = await outputOf('script', ['-qec', `NO_COLOR=1 ${words}`, '/dev/null']);
    expect(seen).toContain('verdict');
    expect(seen).not.toContain('\x1b');
  });

  it('offers nothing of it to a shell that completes', async () => {
    for (const command of names) expect(outputs.get(command)).toBe('');
    const script = [
      `nsm() { '${process.execPath}' '${nsmProgram}' "$@"; }`,
      'source <(nsm completion bash)',
      ...['explain ', 'describe service ', 'describe connection ', 'disconnect --id '].flatMap((line) => [
        `COMP_LINE='nsm ${line}'; COMP_POINT=\${#COMP_LINE}; _nsm; printf "%s" "\${COMPREPLY[@]}"`,
      ]),
    ].join('\n');
    const inside = mkdtempSync(join(tmpdir(), 'nsm-completion-'));
    writeFileSync(join(inside, 'try.bash'), script);
    const { stdout } = await execute('bash', [join(inside, 'try.bash')], { env, cwd: inside });
    expect(stdout).toBe('');
    expect(readdirSync(inside)).toEqual(['try.bash']);
    rmSync(inside, { recursive: true });
  });
});
