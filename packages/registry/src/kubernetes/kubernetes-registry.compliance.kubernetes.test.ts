// Clients of a `kubernetes:` registry against the compliance suite, on the cluster of KUBECONFIG.
// Outages need NSM_CLUSTER_POWER (scripts/test-kubernetes.mjs).
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeClient, type KubeConfig, loadKubeConfig, namespaces } from '@nsm/kube-client';
import { compliance } from '../compliance/compliance.js';
import type { Harness } from '../compliance/compliance-harness.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { endpointObjects, labels, managerObjects } from './mesh-objects.js';

const { NSM_CLUSTER_POWER: clusterPower } = process.env;
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
    if (clusterPower !== undefined)
      this.server = {
        stop: async () => {
          power('crash-api');
          this.#away = true;
        },
        start: () => this.#start(),
        loseStore: () => power('lose-records', this.#home),
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
    power('boot-api');
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

function power(...verb: readonly string[]): void {
  execFileSync(clusterPower ?? '', verb, { stdio: ['ignore', 'ignore', 'inherit'] });
}

compliance(
  'kubernetes:',
  async () => {
    const mesh = new Mesh(await loadKubeConfig());
    await mesh.setUp();
    return mesh;
  },
  { canBeAway: clusterPower !== undefined, patienceMs },
);
