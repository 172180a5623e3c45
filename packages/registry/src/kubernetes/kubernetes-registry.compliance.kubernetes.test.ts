// Clients of a `kubernetes:` registry against the compliance suite, on the cluster of KUBECONFIG.
// Outages need commands for a shell: KUBERNETES_API_STOP and KUBERNETES_API_START stop and start the API server (and compact etcd in
// between, where they can), and KUBERNETES_STORE_LOSE deletes the mesh's objects in etcd, and the leases of namespace $NAMESPACE.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeClient, type KubeConfig, loadKubeConfig, namespaces } from '@nsm/kube-client';
import { compliance } from '../compliance.js';
import type { Harness } from '../compliance-harness.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { endpointObjects, labels, managerObjects } from './mesh-objects.js';

const {
  KUBERNETES_API_STOP: stopCommand = '',
  KUBERNETES_API_START: startCommand = '',
  KUBERNETES_STORE_LOSE: loseCommand = '',
} = process.env;
const canBeAway = [stopCommand, startCommand, loseCommand].every((command) => command !== '');
/** Milliseconds: an API server takes seconds to be there again. */
const patienceMs = 120_000;
let count = 0;

/** One mesh of the cluster: a namespace, and what belongs to it in others. */
class Mesh implements Harness {
  readonly #kubeConfig: KubeConfig;
  readonly #kube: KubeClient;
  readonly #home = `nsm-test-${process.pid}-${++count}`;
  readonly server: Harness['server'];
  #away = false;

  constructor(kubeConfig: KubeConfig) {
    this.#kubeConfig = kubeConfig;
    this.#kube = new KubeClient(kubeConfig);
    if (canBeAway)
      this.server = {
        stop: async () => {
          shell(stopCommand);
          this.#away = true;
        },
        start: () => this.#start(),
        loseStore: () => shell(loseCommand, { NAMESPACE: this.#home }),
      };
  }

  async setUp(): Promise<void> {
    await this.#insist(() => this.#kube.apply(namespaces, { metadata: { name: this.#home } }));
  }

  async open(): Promise<KubernetesRegistry> {
    const registry = new KubernetesRegistry('kubernetes:', {
      kubeConfig: this.#kubeConfig,
      namespace: this.#home,
      keeperLeaseMs: 1500,
    });
    await registry.start();
    return registry;
  }

  async close(): Promise<void> {
    if (this.#away) await this.#start();
    await this.#removeAll();
    this.#kube.stop();
  }

  async #start(): Promise<void> {
    shell(startCommand);
    this.#away = false;
  }

  async #removeAll(): Promise<void> {
    const labelSelector = `${labels.mesh}=${this.#home}`;
    await this.#insist(async () => {
      const found = new Set<string>();
      await this.#kube.list(endpointObjects, { labelSelector }, (page) => {
        for (const { metadata } of page) found.add(metadata.namespace ?? '');
      });
      for (const namespace of found)
        await this.#kube.deleteAll(endpointObjects, { namespace, labelSelector });
      await this.#kube.deleteAll(managerObjects, { namespace: this.#home });
      await this.#kube.delete(namespaces, { name: this.#home });
    });
  }

  async #insist(call: () => Promise<unknown>): Promise<void> {
    for (const deadline = performance.now() + patienceMs; ; await sleep(200)) {
      try {
        await call();
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
  }
}

function shell(command: string, env: Readonly<Record<string, string>> = {}): void {
  execFileSync('sh', ['-c', command], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

compliance(
  'kubernetes:',
  async () => {
    const mesh = new Mesh(await loadKubeConfig());
    await mesh.setUp();
    return mesh;
  },
  { canBeAway, patienceMs },
);
