// Power over the machines of the cluster, which the Kubernetes API does not give. scripts/test-kubernetes.mjs has the verbs.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { powerScript } from './config.js';

const execute = promisify(execFile);

/** False, with a line that says so, where there is no power over the machines. */
export function requirePower(stories: string): boolean {
  if (powerScript !== undefined) return true;
  process.stderr.write(`not run: ${stories}: NSM_CLUSTER_POWER names no script\n`);
  return false;
}

/** What the script prints for a verb. Rejects when it fails. */
export async function power(verb: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(powerScript ?? '', [verb, ...args], { timeout: 180_000 });
  return stdout;
}

/** Kills the first process of a pod's sandbox, which holds the pod's namespaces. */
export async function killSandbox(node: string, podUid: string): Promise<void> {
  // kubelet names cgroups after the UID, with underscores where systemd makes them.
  const pattern = podUid.replaceAll('-', '[-_]');
  const script = `for p in /proc/[0-9]*; do
    [ "$(cat $p/comm)" = pause ] && grep -q 'pod${pattern}' $p/cgroup && kill -9 \${p#/proc/} && exit; done; exit 1`;
  await power('run', node, 'sh', '-c', script);
}
