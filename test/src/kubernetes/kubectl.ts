// kubectl as a function. Which cluster: KUBECONFIG, as everywhere.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface KubectlOptions {
  /** Read by `-f -`. */
  readonly input?: string;
  /** Milliseconds after which kubectl is ended. 120,000 by default. */
  readonly timeoutMs?: number;
}

/** What kubectl prints. Rejects with what kubectl says on stderr. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await tryKubectl(args, options);
  if (status === 0) return stdout;
  throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || stdout.trim() || `exit status ${status}`}`);
}

/** As `kubectl`, for calls that may fail. `status` is null when time is up. */
export async function tryKubectl(
  args: readonly string[],
  { input = '', timeoutMs = 120_000 }: KubectlOptions = {},
): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn('kubectl', args, { timeout: timeoutMs });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined).end(input);
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}
