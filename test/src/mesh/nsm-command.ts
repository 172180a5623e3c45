// The nsm command as a user has it: its own process, its exit status, its output.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Running, spawnIn, waitFor } from '@nsm/testkit';

/** Path of the command. */
export const nsmProgram: string = fileURLToPath(new URL('../../../packages/cli/bin/nsm.js', import.meta.url));

export interface NsmResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `nsm ARGS` to its end in the test's own namespace. Failures are in the result. */
export const nsm = (...args: readonly string[]): Promise<NsmResult> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [nsmProgram, ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      const status = error ? error.code : 0;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(error);
    });
  });

/** Runs `nsm ARGS --json` and reads what it prints. @throws Error with its standard error when it fails */
export const nsmJson = async <T>(...args: readonly string[]): Promise<T> => {
  const { status, stdout, stderr } = await nsm(...args, '--json');
  if (status !== 0) throw new Error(`nsm ${args.join(' ')}: exit status ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
};

/** What `nsm connect --json` prints, as far as the tests look at it. */
export interface Connected {
  readonly id: string;
  readonly requestId: string;
  readonly interfaceName: string;
  readonly address: string;
  readonly addresses: readonly string[];
  readonly peerAddresses: readonly string[];
  readonly routes: readonly string[];
  readonly mtu: number;
  readonly mac: string;
  readonly endpoint: string;
  readonly endpointManager: string;
}

export interface SpawnNsmOptions {
  /** Put before the command, such as `['setpriv', '--reuid=65534']`. */
  readonly before?: readonly string[];
  /** Milliseconds; default 30000. */
  readonly timeout?: number;
}

/** Starts `nsm ARGS` in a namespace and waits until it has printed `word`. @throws Error with its output when it ends */
export const spawnNsm = async (
  namespace: string | undefined,
  word: string,
  args: readonly string[],
  { before = [], timeout = 30_000 }: SpawnNsmOptions = {},
): Promise<Running> => {
  const [command = '', ...rest] = [...before, process.execPath, nsmProgram, ...args];
  const running = await spawnIn(namespace, command, rest);
  let ended: number | string | undefined;
  void running.exited.then((status) => {
    ended = status;
  });
  try {
    await waitFor(() => running.output().includes(word) || ended !== undefined, {
      timeout,
      what: `nsm ${args.slice(0, 2).join(' ')} printing ${word}`,
    });
    if (ended !== undefined) throw new Error('it ended');
    return running;
  } catch (error) {
    await running.stop();
    const end = ended === undefined ? 'runs on' : `ended with ${ended}`;
    throw new Error(`nsm ${args.join(' ')} ${end}; it printed: ${running.output()}`, { cause: error });
  }
};
