// The agent of this node's pods, in the manager's process: no pod needs one of its own.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Informer, type KubeClient, KubeError, namespaces } from '@nsm/kube-client';
import type { NamedPod, NodePod, NodePods, PodPort } from '@nsm/manager';
import type { Logger } from 'pino';
import { DevicePlugin } from '../device-plugin/device-plugin.js';
import { factsOf, keptOf, pods, uidOf, userOfPod } from '../pods/pod.js';
import { PodCgroups } from '../pods/pod-cgroups.js';
import { keptOfNamespace, PodDirectory } from '../pods/pod-directory.js';
import { PodEvents } from './pod-events.js';
import { PodTeller } from './pod-teller.js';
import { PodWorker } from './pod-worker.js';

/** Milliseconds for which a start waits to know the pods: longer, and a manager would not serve because the API is away. */
const patienceMs = 3000;

export interface PodAgentComponents {
  readonly client: KubeClient;
  readonly logger: Logger;
}

export interface PodAgentOptions {
  /** Name of this node, as its pods have it in spec.nodeName. */
  readonly nodeName: string;
  /** The manager's name, which Events bear. */
  readonly manager: string;
  /** The mesh's own domain, which annotations may name. Default: `nsm`. */
  readonly domain?: string;
  /** Attach pods by their annotations; else pods are known, and no more. */
  readonly attach: boolean;
  /** Folder of kubelet's device plugins. Default: kubelet's own. */
  readonly plugins?: string;
  /** Where the cgroups of the node are mounted. */
  readonly cgroups?: string;
}

export class PodAgent implements NodePods {
  readonly #components: PodAgentComponents;
  readonly #options: PodAgentOptions;
  readonly #directory: PodDirectory;
  readonly #events: PodEvents;
  readonly #workers = new Map<string, PodWorker>();
  readonly #facts = new Map<string, string>();
  readonly #stopped = new AbortController();
  #endpoints: Disposable | undefined;
  #plugin: DevicePlugin | undefined;

  constructor(components: PodAgentComponents, options: PodAgentOptions) {
    const { client, logger } = components;
    const { nodeName, manager, cgroups } = options;
    this.#components = components;
    this.#options = options;
    this.#directory = new PodDirectory({
      pods: new Informer(client, pods, { fieldSelector: `spec.nodeName=${nodeName}`, keep: keptOf, logger }),
      namespaces: new Informer(client, namespaces, { keep: keptOfNamespace, logger }),
      cgroups: new PodCgroups(cgroups),
    });
    this.#events = new PodEvents(client, {
      reporter: manager,
      now: Date.now,
      onFailure: (error) => logger.debug({ err: error }, 'an Event was not written'),
    });
  }

  podIn(inode: number): NodePod | undefined {
    const pod = this.#directory.podIn(inode);
    return pod && { uid: uidOf(pod), facts: factsOf(pod) };
  }

  has(uid: string): boolean {
    return this.#directory.has(uid);
  }

  named(name: string): NamedPod | undefined {
    const pod = this.#directory.named(name);
    return pod && { inode: this.#directory.sandboxOf(pod)?.inode ?? 0, ...userOfPod(pod) };
  }

  async start(port: PodPort): Promise<void> {
    const { logger } = this.#components;
    this.#directory.start();
    if (!(await this.#directory.whenSynced(patienceMs)))
      logger.warn('the Kubernetes API does not answer: pods keep what they have, and new ones wait');
    this.#directory.watch((uid) => this.#podChanged(uid, port));
    if (!this.#options.attach) return;
    if (!this.#directory.seesCgroups)
      logger.warn(
        'the cgroups of kubelet are not seen here, so pods cannot be attached: run the manager with hostPID: true and CAP_SYS_PTRACE',
      );
    this.#endpoints = port.onEndpoint((service) => {
      for (const worker of this.#workers.values()) worker.hurry(service);
    });
    void this.#follow(port);
    await this.#offerSockets(port.socketFolders);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#endpoints?.[Symbol.dispose]();
    for (const worker of this.#workers.values()) worker.stop();
    this.#workers.clear();
    await this.#plugin?.stop();
    await this.#directory.stop();
  }

  /** To containers in pods that ask for the resource. */
  async #offerSockets(folders: readonly string[]): Promise<void> {
    const { plugins } = this.#options;
    if (!DevicePlugin.isPossible(plugins)) return;
    const { logger } = this.#components;
    const folder = dirname(folders[0] ?? '');
    if (plugins === undefined && !isSameOnNode(dirname(folder))) {
      logger.warn(
        { folder },
        'the node has another folder by this path, or none that is seen here: pods get no sockets from the device plugin',
      );
      return;
    }
    this.#plugin = new DevicePlugin({ logger }, { folders, ...(plugins === undefined ? {} : { plugins }) });
    // Pods are attached without it all the same.
    await this.#plugin
      .start()
      .catch((error: unknown) => logger.error({ err: error }, 'the device plugin does not run'));
  }

  #podChanged(uid: string, port: PodPort): void {
    const pod = this.#directory.get(uid);
    const facts = pod && JSON.stringify([pod.metadata.labels, pod.spec.serviceAccountName]);
    const before = this.#facts.get(uid);
    if (facts === undefined) this.#facts.delete(uid);
    else this.#facts.set(uid, facts);
    const sandbox =
      pod && before !== undefined && before !== facts ? this.#directory.sandboxOf(pod) : undefined;
    if (sandbox) port.factsChanged(sandbox.inode);
    if (!this.#options.attach) return;
    const worker = this.#workers.get(uid);
    if (pod) (worker ?? this.#begin(uid, port)).mark();
    else if (worker) {
      worker.end();
      this.#workers.delete(uid);
      this.#events.forget(uid);
    }
  }

  #begin(uid: string, port: PodPort): PodWorker {
    const { client, logger } = this.#components;
    const teller = new PodTeller({
      client,
      events: this.#events,
      onReady: () => this.#workers.get(uid)?.mark(),
      onFailure: (error) => {
        // That the API is away is told once, by the copies of its objects.
        const level = error instanceof KubeError && error.status === 0 ? 'debug' : 'warn';
        logger[level]({ pod: uid, err: error }, 'the pod was not told what it has');
      },
    });
    const { domain = 'nsm' } = this.#options;
    const worker = new PodWorker(uid, {
      port,
      directory: this.#directory,
      domain,
      teller,
      now: () => performance.now(),
    });
    this.#workers.set(uid, worker);
    return worker;
  }

  /** What becomes of a pod's connection marks the pod. A watch that has fallen behind begins anew. */
  async #follow(port: PodPort): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, port.stopping]);
    while (!signal.aborted) {
      try {
        for await (const change of port.watch(signal)) {
          if (change.kind === 'synced' || change.connection.role === 'ENDPOINT') continue;
          const pod = this.#directory.podIn(change.connection.owner?.namespace ?? 0);
          if (pod) this.#workers.get(uidOf(pod))?.mark();
        }
      } catch (error) {
        this.#components.logger.warn({ err: error }, 'what becomes of connections was lost sight of');
      }
    }
  }
}

/** Whether the first process of the node calls a folder by the same path. Its files are seen with CAP_SYS_PTRACE alone. */
function isSameOnNode(folder: string): boolean {
  try {
    const [own, theirs] = [folder, `/proc/1/root${folder}`].map((path) => statSync(path));
    return own !== undefined && own.ino === theirs?.ino && own.dev === theirs.dev;
  } catch {
    return false;
  }
}
