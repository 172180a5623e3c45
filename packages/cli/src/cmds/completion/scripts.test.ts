// Completion as the shells themselves do it: each script is sourced by its shell and asked about a command line.
import { type ExecFileSyncOptions, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../program.js';
import { completionScript } from './scripts.js';
import { type Shell, shells } from './shells.js';

const folder = mkdtempSync(join(tmpdir(), 'nsm-completion-'));
const scriptOf = (shell: Shell): string => join(folder, `script.${shell}`);
const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HOME: folder };

const program = await buildProgram();

beforeAll(() => {
  for (const shell of shells) writeFileSync(scriptOf(shell), completionScript(shell, program));
  // What the manager would know, and proof of the run directory it was asked in.
  writeFileSync(
    join(folder, 'nsm'),
    '#!/bin/sh\n[ "$1" = __names ] || exit 1\ncase "$2" in\nservices) echo firewall; echo vpn ;;\n' +
      'endpoints) echo fw-1 ;;\nconnections) echo "a:01"; echo "a:02"; echo "b:01" ;;\nlabs) echo two-nodes ;;\nmembers) echo alice ;;\nesac\n' +
      'shift 2; [ $# = 0 ] || echo "asked $*" >&2\nfor w in "$@"; do echo "$w" >> "$HOME/asked"; done\n',
  );
  chmodSync(join(folder, 'nsm'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the program of each shell prints behind what is offered for a line. */
const mark = '\0';

/** The words that one shell offers at the end of each line; without what bash would not show again. */
const completeAll: Readonly<
  Record<Shell, (all: readonly string[], options?: ExecFileSyncOptions) => string[][]>
> = {
  bash: (all, options) =>
    answers(
      'bash',
      [
        '--norc',
        '-c',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's, not ours.
        'source "$1"; shift; for COMP_LINE; do COMP_POINT=${#COMP_LINE}; COMPREPLY=(); _nsm; printf "%s\\n" "${COMPREPLY[@]}"; printf "\\0"; done',
        'bash',
        scriptOf('bash'),
        ...all,
      ],
      options,
    ),
  zsh: (all, options) => {
    // compadd and the like belong to the line editor; here they print what they are given. Words are told apart by a line's end.
    const offered = answers(
      'zsh',
      [
        '-f',
        '-c',
        'compdef() {}; compset() {}; _files() { print -l files }; compadd() { shift; print -l -- "$@" }; ' +
          'source "$1"; shift; typeset -a words; typeset -i CURRENT; ' +
          // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's, not ours.
          'for line; do words=("${(@f)line}"); CURRENT=$#words; _nsm; printf "\\0"; done',
        'zsh',
        scriptOf('zsh'),
        ...all.map((line) => line.replaceAll(/\s+/g, '\n')),
      ],
      options,
    );
    return offered.map((words, index) => {
      const prefix =
        all[index]
          ?.split(/\s+/)
          .at(-1)
          ?.replace(/^--[^=]*=/, '') ?? '';
      return words.filter((word) => word.startsWith(prefix));
    });
  },
  fish: (all, options) =>
    answers(
      'fish',
      [
        '-N',
        '-c',
        'source $argv[1]; for line in $argv[2..]; complete -C $line; printf "\\0"; end',
        scriptOf('fish'),
        ...all,
      ],
      options,
    ).map((words) => words.map((offered) => offered.replace(/\t.*/, ''))),
};

const complete = (shell: Shell, line: string, options?: ExecFileSyncOptions): string[] =>
  completeAll[shell]([line], options)[0] ?? [];

/** Runs a shell, and takes what it prints apart at each mark. */
const answers = (shell: Shell, args: readonly string[], options?: ExecFileSyncOptions): string[][] =>
  execFileSync(shell, args, { env, ...options, encoding: 'utf8' })
    .split(mark)
    .slice(0, -1)
    .map(lines);

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

const cases: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['nsm conn', ['connect']],
  ['nsm d', ['disconnect', 'describe', 'dashboard', 'drain']],
  ['nsm lab ', ['up', 'inspect', 'exec', 'down', 'list']],
  ['nsm connect ', ['firewall', 'vpn']],
  ['nsm connect f', ['firewall']],
  ['nsm explain v', ['vpn']],
  ['nsm watch --only l', ['limits']],
  ['nsm check --only n', ['network']],
  ['nsm lab exec two-nodes a', ['alice']],
  ['nsm get connections --state he', ['healing']],
  ['nsm get connections --output ', ['wide']],
  ['nsm connect --dry', ['--dry-run']],
  ['nsm connect firewall --li', ['--lifetime']],
  ['nsm connect firewall --lifetime ', ['namespace', 'process']],
  ['nsm get t', ['tunnels']],
  ['nsm endpoint g', ['gateway']],
  ['nsm describe endpoint ', ['fw-1']],
  ['nsm describe conn', ['connection']],
  ['nsm describe service ', ['firewall', 'vpn']],
  ['nsm lab down ', ['two-nodes']],
  ['nsm lab up --o', ['--once']],
  ['nsm completion z', ['zsh']],
  ['nsm manager --forwarder e', ['external']],
];

describe.each(shells)('%s', (shell) => {
  const missing = spawnSync(shell, ['-c', 'true']).status !== 0;
  let found: string[][] = [];
  beforeAll(() => {
    if (!missing) found = completeAll[shell](cases.map(([line]) => line));
  });
  it.skipIf(missing).each(cases.map(([line, offered], index) => ({ line, offered, index })))(
    'completes "$line"',
    ({ offered, index }) => {
      expect(found[index]?.toSorted()).toEqual(offered.toSorted());
    },
  );
});

/** What a shell would run, expand, split or take for a flag; each would leave a file in the folder if it were run. */
const hostile = [
  '$(touch owned)',
  '`touch owned`',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's, not ours.
  '${x:=$(touch owned)}',
  '*',
  '~',
  'a b',
  '-x',
  ';touch owned',
  "'\\",
];

describe.each(shells)('%s, when names are what the shell would run', (shell) => {
  const missing = spawnSync(shell, ['-c', 'true']).status !== 0;
  const evil = join(folder, `evil-${shell}`);
  beforeAll(() => {
    mkdirSync(evil);
    writeFileSync(join(evil, 'names'), `${hostile.join('\n')}\n`);
    writeFileSync(join(evil, 'nsm'), `#!/bin/sh\nexec cat ${evil}/names\n`, { mode: 0o755 });
  });

  it.skipIf(missing)('runs and expands nothing', () => {
    const offered = complete(shell, 'nsm explain ', {
      cwd: evil,
      env: { ...env, PATH: `${evil}:${env.PATH}` },
    });
    expect(readdirSync(evil).sort()).toEqual(['names', 'nsm']);
    // bash is given what may stand on a command line, the others quote what is chosen by themselves.
    const read =
      shell === 'bash'
        ? offered.flatMap((word) =>
            lines(execFileSync('bash', ['-c', `printf '%s\\n' ${word}`], { cwd: evil, encoding: 'utf8' })),
          )
        : offered;
    expect(read.toSorted()).toEqual(hostile.toSorted());
    expect(readdirSync(evil).sort()).toEqual(['names', 'nsm']);
  });
});

describe('bash', () => {
  it('completes ids in spite of their colon', () => {
    expect(complete('bash', 'nsm disconnect --id a:')).toEqual(['01', '02']);
    expect(complete('bash', 'nsm describe connection b')).toEqual(['b:01']);
  });

  it('completes --flag=value', () => {
    expect(complete('bash', 'nsm connect x --lifetime=p')).toEqual(['process']);
  });

  it('asks the manager of the given run directory', () => {
    complete('bash', 'nsm connect --run-dir /run/other ');
    expect(lines(execFileSync('cat', [join(folder, 'asked')], { encoding: 'utf8' }))).toEqual([
      '--run-dir',
      '/run/other',
    ]);
  });

  it('knows every flag of every command', () => {
    const flags = program.commands
      .filter((command) => !command.name().startsWith('__'))
      .flatMap((command) =>
        command.options.map(({ long }) => ({ line: `nsm ${command.name()} ${long}`, long })),
      );
    const found = completeAll.bash(flags.map(({ line }) => line));
    expect(found).toHaveLength(flags.length);
    for (const [index, { long }] of flags.entries()) expect(found[index]).toContain(long);
  });
});
