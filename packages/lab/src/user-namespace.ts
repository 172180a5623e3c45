// Labs without root: the same program again, inside user, network, mount and pid namespaces of its own, as rootless
// containers have. Everything in them ends with their first process: a killed lab leaves nothing.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NsmError, type NsmErrorKind, systemCodeOf } from '@nsm/api';
import { whyUntrusted } from '@nsm/durable';
import { Output } from '@nsm/output';
import { insideVariable, type LabConfig } from './config.js';
import { defaultCommand } from './default-command.js';
import { showLabPage } from './lab-page.js';
import type { LabOptions, LabResult, LabUpOptions } from './options.js';
import type { Plan } from './plan/plan.js';
import { explainRefusal } from './privilege.js';
import { Progress } from './progress.js';
import { refuseForeignFolder } from './state/lab-folder.js';
import { LabLock } from './state/lab-lock.js';
import { identifyProcess, isAlive, isOwn, type ProcessIdentity } from './state/process-identity.js';

/** What runs inside, and with what. */
export type InsideRequest =
  | {
      readonly command: 'up';
      readonly file: string;
      readonly options: Pick<LabUpOptions, 'once' | 'json' | 'command' | 'trust'>;
    }
  | { readonly command: 'inspect'; readonly name: string; readonly options: Pick<LabOptions, 'json'> }
  | {
      readonly command: 'exec';
      readonly name: string;
      readonly member: string;
      readonly argv: readonly string[];
    };

/** The word from inside that the lab is up, and stays. */
export const isUp = 'up';

/** What comes back from inside. */
export type InsideAnswer =
  | { readonly result: LabResult }
  | { readonly status: number }
  | { readonly error: { readonly kind: NsmErrorKind; readonly message: string } };

/** An ordinary user's lab, as its outer process writes it down. */
interface UserRecord {
  readonly owner: ProcessIdentity;
  /** A process inside, by which others enter. */
  readonly inside: ProcessIdentity;
}

const basic = ['--user', '--map-root-user', '--net', '--mount'];
/** With a pid namespace too; a container may forbid the /proc that it needs. */
const full = [...basic, '--pid', '--fork', '--kill-child', '--mount-proc'];

export async function upInUserNamespace(
  { name, managers }: Plan,
  file: string,
  options: LabUpOptions & { readonly signal: AbortSignal },
  config: LabConfig,
): Promise<LabResult> {
  if (options.keep)
    throw new NsmError(
      'privilege',
      'without root a lab lives as long as the command that made it: leave out --keep',
    );
  refuseForeignFolder(config.userFolder, true);
  const flags = usableFlags();
  await using _lock = await LabLock.take(name);
  const { once = false, json = false, trust = false, command } = options;
  const request: InsideRequest = {
    command: 'up',
    file,
    options: { once, json, trust, ...(command && { command }) },
  };
  const child = startInside(
    'unshare',
    [...flags, 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh'],
    request,
    {
      // Out of the terminal's reach: what Ctrl-C means is told over the channel, and so is our own death.
      detached: true,
      options,
    },
  );
  const stop = (): void => void (child.connected && child.send('stop'));
  options.signal.addEventListener('abort', stop);
  if (options.signal.aborted) stop();
  const path = `${config.userFolder}/${name}.json`;
  let page: Promise<AsyncDisposable | undefined> | undefined;
  child.once('message', () => {
    // Its first message says that it runs: only then is there a process to enter by.
    const owner = identifyProcess(process.pid);
    const inside = identifyProcess(flags === full ? onlyChildOf(child.pid ?? 0) : (child.pid ?? 0));
    child.on('message', (word) => {
      if (word !== isUp || options.dashboard === undefined || !inside) return;
      // Of the network inside no browser sees anything: the page is served out here, and looks inside through the lab's files.
      page = showLabPage(new Progress(new Output(false, (options.output ?? process).stderr)), {
        command: command ?? defaultCommand(),
        environment: config.environment,
        listen: options.dashboard,
        runDirs: managers.map(({ runDir }) => `/proc/${inside.pid}/root${runDir}`),
      });
    });
    mkdirSync(config.userFolder, { recursive: true, mode: 0o700 });
    writeFileSync(path, JSON.stringify({ owner, inside }), { mode: 0o600 });
  });
  try {
    const answer = await answerOf(child);
    if ('result' in answer) return answer.result;
    throw new NsmError('internal', 'the lab answered something else');
  } finally {
    await (await page)?.[Symbol.asyncDispose]();
    options.signal.removeEventListener('abort', stop);
    rmSync(path, { force: true });
    for (const folder of [config.userFolder, dirname(config.userFolder)])
      try {
        rmdirSync(folder);
      } catch {
        break;
      }
  }
}

/** The user's own lab of a name, if it is up. */
export function findUserLab(name: string, config: LabConfig): UserRecord | undefined {
  if (whyUntrusted(config.userFolder, { closed: true }) !== '') return undefined;
  try {
    const record = JSON.parse(readFileSync(`${config.userFolder}/${name}.json`, 'utf8')) as UserRecord;
    const { owner, inside } = record;
    return [owner, inside].every((one) => isAlive(one) && isOwn(one)) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Runs a command in a lab that is up without root. */
export async function enterUserLab(
  { inside }: UserRecord,
  request: InsideRequest,
  options: LabOptions = {},
): Promise<InsideAnswer> {
  const flags = ['--user', '--net', '--mount', '--pid', '--preserve-credentials', `--target=${inside.pid}`];
  return await answerOf(startInside('nsenter', flags, request, { detached: false, options }));
}

function usableFlags(): readonly string[] {
  let refusal = '';
  for (const flags of [full, basic]) {
    const tried = spawnSync('unshare', [...flags, 'sh', '-c', 'mount -t tmpfs tmpfs /run'], {
      encoding: 'utf8',
    });
    if (tried.status === 0) return flags;
    refusal = tried.error ? tried.error.message : tried.stderr.trim();
    if (systemCodeOf(tried.error) === 'ENOENT')
      throw new NsmError('privilege', 'a lab needs root, or the command unshare (Debian package util-linux)');
  }
  throw new NsmError('privilege', explainRefusal(refusal));
}

function startInside(
  program: string,
  argv: readonly string[],
  request: InsideRequest,
  { detached, options }: { readonly detached: boolean; readonly options: LabOptions },
): ChildProcess {
  const main = fileURLToPath(new URL('./inside-main.js', import.meta.url));
  const { output } = options;
  const child = spawn(program, [...argv, process.execPath, main, JSON.stringify(request)], {
    detached,
    stdio: ['inherit', output ? 'pipe' : 'inherit', output ? 'pipe' : 'inherit', 'ipc'],
    env: { ...process.env, [insideVariable]: '1' },
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => output?.stdout.write(text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => output?.stderr.write(text));
  return child;
}

async function answerOf(child: ChildProcess): Promise<InsideAnswer> {
  let answer: InsideAnswer | undefined;
  child.on('message', (message) => {
    if (typeof message === 'object') answer = message as unknown as InsideAnswer;
  });
  const ending = await new Promise<string>((resolve, reject) => {
    child.once('close', (code, signal) => resolve(signal ?? `status ${code}`));
    child.once('error', (error) =>
      reject(new NsmError('privilege', `cannot enter the user namespace: ${error.message}`, error)),
    );
  });
  if (!answer)
    throw new NsmError('unavailable', `the process in the lab's user namespace ended with ${ending}`);
  if ('error' in answer) throw new NsmError(answer.error.kind, answer.error.message);
  return answer;
}

function onlyChildOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0]);
}
