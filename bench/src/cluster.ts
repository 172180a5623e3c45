// The cluster that KUBECONFIG names, as far as it is measured: namespaces of the benchmark's own, and what is asked of kubectl.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { KubeClient, KubeError, loadKubeConfig, namespaces } from '@nsm/kube-client';
import { endpointObjects } from '@nsm/registry/mesh-objects';
import type { Cleanup } from './cleanup.js';
import { kubeconfig, searchPath } from './config.js';
import { findCommand } from './find-command.js';

/** Milliseconds. */
const answerMs = 5000;

export class Cluster {
  readonly kube: KubeClient;
  readonly #cleanup: Cleanup;
  readonly #removals = new Map<string, () => void>();

  private constructor(kube: KubeClient, cleanup: Cleanup) {
    this.kube = kube;
    this.#cleanup = cleanup;
  }

  /** @returns why there is none. */
  static async open(cleanup: Cleanup): Promise<Cluster | string> {
    if (kubeconfig === undefined) return 'KUBECONFIG names no cluster';
    if (!findCommand('kubectl', searchPath)) return 'there is no kubectl in PATH';
    const kube = new KubeClient(await loadKubeConfig());
    try {
      await kube.request('GET', '/version', { timeoutMs: answerMs });
      return new Cluster(kube, cleanup);
    } catch (error) {
      return `no cluster answers: ${error instanceof Error ? error.message : error}`;
    }
  }

  async hasCustomResources(): Promise<boolean> {
    try {
      await this.kube.versionOf(endpointObjects, {});
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      throw error;
    }
  }

  /** @returns its name, which has `topic` in it. */
  async makeNamespace(topic: string): Promise<string> {
    const name = `nsm-bench-${topic}-${process.pid}`;
    await this.kube.create(namespaces, { metadata: { name } });
    const remove = this.#cleanup.add(() =>
      spawnSync('kubectl', ['delete', 'namespace', name, '--wait=false'], { stdio: 'ignore' }),
    );
    this.#removals.set(name, remove);
    return name;
  }

  /** With all that is in it, which goes later. */
  removeNamespace(name: string): void {
    this.#removals.get(name)?.();
  }

  /** What kubectl prints. @throws Error with what kubectl says. */
  kubectl(...args: readonly string[]): string {
    return execFileSync('kubectl', args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  }

  /** The log of a pod, line by line as it is written. Ends with the pod, or by `kill`. */
  log(namespace: string, pod: string, heard: (line: string, at: number) => void): ChildProcess {
    const child = spawn('kubectl', ['--namespace', namespace, 'logs', '--follow', pod], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let begun = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const at = performance.now();
      const lines = `${begun}${text}`.split('\n');
      begun = lines.pop() ?? '';
      for (const line of lines) heard(line, at);
    });
    return child;
  }
}
