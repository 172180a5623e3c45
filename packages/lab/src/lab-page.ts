// The page of a lab that is up: `nsm dashboard`, in a process of its own that ends with this one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NsmError } from '@nsm/api';
import type { Progress } from './progress.js';

export interface LabPageOptions {
  /** How `nsm` is run. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** HOST:PORT; '' for the usual one, or any that is free. */
  readonly listen: string;
  /** Of the lab's managers. */
  readonly runDirs: readonly string[];
}

interface LabPage extends AsyncDisposable {
  /** For a browser on this machine. */
  readonly url: string;
}

const usual = '127.0.0.1:7070';
const anyFree = '127.0.0.1:0';

/** Starts the page and says where it is; a lab without its page is a lab all the same. */
export async function showLabPage(
  progress: Progress,
  options: LabPageOptions,
): Promise<AsyncDisposable | undefined> {
  try {
    const page = await startLabPage(options);
    progress.say(`the mesh is shown at ${page.url}`);
    return page;
  } catch (error) {
    progress.say(`there is no page: ${NsmError.from(error).toAdmissionError()}`);
    return undefined;
  }
}

/** @throws NsmError with what the process said when it did not come up. */
async function startLabPage({ listen, ...options }: LabPageOptions): Promise<LabPage> {
  if (listen !== '') return await start(listen, options);
  try {
    return await start(usual, options);
  } catch (error) {
    if (NsmError.from(error).kind !== 'conflict') throw error;
    return await start(anyFree, options);
  }
}

async function start(
  listen: string,
  { command, environment, runDirs }: Omit<LabPageOptions, 'listen'>,
): Promise<LabPage> {
  const [file = '', ...first] = command;
  const folders = runDirs.flatMap((runDir) => ['--run-dir', runDir]);
  const child = spawn(file, [...first, 'dashboard', '--listen', listen, ...folders], {
    // By the channel the process tells its address, and hears of this one's end.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: environment,
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = once(child, 'close').catch((error: Error) => [error.message]);
  const failed = ended.then((how) => {
    const words = said.trim() || `nsm dashboard ended: ${String(how[0])}`;
    throw NsmError.fromAdmissionError(words.replace(/^nsm: /, ''), 'unavailable');
  });
  failed.catch(() => undefined);
  const [{ url }] = (await Promise.race([once(child, 'message'), failed])) as [{ readonly url: string }];
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
