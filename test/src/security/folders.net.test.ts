// Folders in shared places are used only when they belong to the caller and are closed to others: of labs, of sockets and of state; and a
// lab file reaches beyond the lab only when it is trusted.
import { type ExecFileException, execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nsmProgram } from '../mesh/nsm-command.js';

const stranger = 61_001;

describe.skipIf(!requireRoot('folders'))('folders that others can change', () => {
  const top = mkdtempSync(join(tmpdir(), 'nsm-folders-'));
  let runtime: string;
  beforeAll(() => chmodSync(top, 0o755));
  beforeEach(() => {
    runtime = mkdtempSync(join(top, 'r-'));
  });
  afterEach(() => rmSync(runtime, { recursive: true }));
  afterAll(() => rmSync(top, { recursive: true }));

  /** As root, whose runtime folder somebody chose. */
  const nsm = (...args: readonly string[]): Promise<{ readonly out: string; readonly failed: boolean }> =>
    new Promise((resolve) => {
      const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
      const done = (error: ExecFileException | null, stdout: string, stderr: string): void =>
        resolve({ out: stdout + stderr, failed: error !== null });
      execFile(process.execPath, [nsmProgram, ...args], { env, timeout: 10_000 }, done);
    });

  const identityOf = (pid: number): object => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    return { pid, startTime, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() };
  };

  /** A record of a lab, as the lab itself writes one, with processes of a user. */
  function plantLab(uid: number): Disposable {
    const folder = join(runtime, 'nsm/lab');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const child = spawn('sleep', ['60'], { uid, gid: uid, stdio: 'ignore' });
    const identity = identityOf(child.pid ?? 0);
    writeFileSync(join(folder, 'evil.json'), JSON.stringify({ owner: identity, inside: identity }));
    return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
  }

  const isListed = async (): Promise<boolean> => (await nsm('lab', 'list', '--json')).out.includes('"evil"');

  it('shows that a planted lab would be taken for the own one', async () => {
    using _lab = plantLab(0);
    expect(await isListed()).toBe(true);
  });

  it.each<[what: string, uid: number, change: (folder: string) => void]>([
    ["whose folder is a stranger's", 0, (folder) => chownSync(folder, stranger, stranger)],
    ["whose runtime folder is a stranger's", 0, () => chownSync(runtime, stranger, stranger)],
    ['whose folder is open to others', 0, (folder) => chmodSync(folder, 0o755)],
    ['whose folder others write to', 0, (folder) => chmodSync(folder, 0o777)],
    [
      "to which a stranger's link leads",
      0,
      (folder) => {
        rmSync(join(runtime, 'real'), { recursive: true, force: true });
        mkdirSync(join(runtime, 'real'));
        const moved = join(runtime, 'real/lab');
        mkdirSync(moved, { mode: 0o700 });
        writeFileSync(join(moved, 'evil.json'), readFileSync(join(folder, 'evil.json')));
        rmSync(folder, { recursive: true });
        chownSync(moved, stranger, stranger);
        symlinkSync(moved, folder);
      },
    ],
    ["whose processes are a stranger's", stranger, () => undefined],
  ])('root does not use or enter a lab %s', async (_, uid, change) => {
    using _lab = plantLab(uid);
    change(join(runtime, 'nsm/lab'));
    expect(await isListed()).toBe(false);
    const entered = await nsm('lab', 'exec', 'evil', 'pod', 'true');
    expect(entered.failed).toBe(true);
    expect(entered.out).toMatch(/no lab "evil" is up/);
    expect((await nsm('__names', 'labs')).out).toBe('');
  });

  it('refuses names that are no names of labs', async () => {
    for (const name of ['', '$(id)', 'a b'])
      expect((await nsm('lab', 'down', name)).out).toMatch(/is no name of a lab|invalid/);
  });

  it.each<[flag: string, command: string, change: (folder: string) => void, why: RegExp]>(
    (['--run-dir', '--state-dir'] as const).flatMap((flag) => [
      [flag, 'manager', (folder: string) => chownSync(folder, stranger, stranger), /belongs to user 61001/],
      [flag, 'manager', (folder: string) => chmodSync(folder, 0o777), /can be written to by others/],
      [flag, 'manager', (folder: string) => chmodSync(folder, 0o1777), /can be written to by others/],
      [
        flag,
        'manager',
        () => chownSync(runtime, stranger, stranger),
        /is in .*, which belongs to user 61001/,
      ],
    ]),
  )('%s of a manager of root is refused: %s %#', async (flag, command, change, why) => {
    const folders = { '--run-dir': join(runtime, 'run'), '--state-dir': join(runtime, 'state') };
    for (const folder of Object.values(folders)) mkdirSync(folder);
    change(folders[flag as keyof typeof folders]);
    const { out, failed } = await nsm(
      ...[command, '--name', 'a', '--listen', '127.0.0.1:0', '--advertise', '127.0.0.1:1'],
      ...Object.entries(folders).flat(),
    );
    expect(failed).toBe(true);
    expect(out).toMatch(why);
    expect(out).toMatch(/chown that folder to this user and chmod go-w it .*mode=755/);
    expect(readdirSync(folders['--run-dir'])).toEqual([]);
  });

  it('a lab file sets no variables but NSM_*, and names no files, unless it is trusted', async () => {
    const file = join(runtime, 'lab.yaml');
    const owned = join(runtime, 'owned');
    writeFileSync(join(runtime, 'evil.cjs'), `require('node:fs').writeFileSync('${owned}', '')`);
    const lab = (node: string): void =>
      writeFileSync(file, `name: nsmt-trust\nnodes: { one: { ${node} } }\n`);
    for (const node of [
      `environment: { NODE_OPTIONS: "--require ${runtime}/evil.cjs" }`,
      'environment: { LD_PRELOAD: x.so }',
      'environment: { PATH: . }',
      'environment: { NSM_STATE_DIR: x }',
      'options: { run-dir: /etc }',
    ]) {
      lab(node);
      const refused = await nsm('lab', 'up', '--once', file);
      expect(refused.failed).toBe(true);
      expect(refused.out).toMatch(/asks for more than a lab of its own: nodes\.one\..*--trust/);
    }
    expect(existsSync(owned)).toBe(false);
    lab(`environment: { NODE_OPTIONS: "--require ${runtime}/evil.cjs" }`);
    expect((await nsm('lab', 'up', '--once', '--trust', file)).failed).toBe(false);
    expect(existsSync(owned)).toBe(true);
  });
});
