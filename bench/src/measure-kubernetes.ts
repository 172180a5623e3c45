// What attaching pods costs on a cluster where the product is installed: edits of an annotation, new pods, calls of the API.
import { setTimeout as sleep } from 'node:timers/promises';
import { Informer, type KubeObject, type Pod, pods, type Resource } from '@nsm/kube-client';
import { waitFor } from '@nsm/testkit';
import { apiCallsOf } from './api-calls.js';
import type { Cluster } from './cluster.js';
import type { Plan } from './options.js';
import { inPod } from './pod-programs.js';
import { rounded, type Summary, summarize } from './statistics.js';

export interface KubernetesFigure {
  /** Milliseconds from the edit of a pod's annotation until the endpoint's kernel has answered by the new interface. */
  readonly attach: Summary;
  /** Milliseconds from the removal of the annotation until the interface is gone. */
  readonly detach: Summary;
  /** Milliseconds from the creation of a pod until it is Ready. */
  readonly created: Readonly<Record<Mode, Summary>>;
  /** Calls of the API by all who make any, for a connection that a pod asks for. */
  readonly callsPerConnection: number;
  /** For an edit: attached or detached, with the pod's status and Event. */
  readonly callsPerEdit: number;
}

const annotation = 'networkservicemesh.io';
const service = 'bench';
const asked = `kernel://${service}/nsm-1`;
/** What the pods of each mode are annotated with. */
const modes: Readonly<Record<Mode, string | undefined>> = {
  bare: undefined,
  agentless: asked,
  init: `${asked}?mode=init`,
};
type Mode = 'bare' | 'agentless' | 'init';

/** Milliseconds in which a pod is Ready, a line comes, or an interface. */
const patienceMs = 60_000;
/** Milliseconds after which nothing that was done is still being written down. */
const quietMs = 2000;
/** Connections that a pod asks for. */
const connections = 20;

interface DaemonSet extends KubeObject {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
  };
}
const daemonSets: Resource<DaemonSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  namespaced: true,
};

/** @returns why nothing was measured. */
export async function measureKubernetes(
  cluster: Cluster | string,
  plan: Plan,
  say: (text: string) => void,
): Promise<KubernetesFigure | string> {
  if (typeof cluster === 'string') return cluster;
  const image = await imageOf(cluster);
  if (image === undefined) return 'nsm is not installed on the cluster';
  const namespace = await cluster.makeNamespace('pods');
  const bench = new PodBench(cluster, namespace, image);
  try {
    say('kubernetes: an endpoint');
    await bench.start();
    say(`kubernetes: ${plan.edits} edits of an annotation`);
    const edits = await bench.edits(plan.edits);
    say(`kubernetes: ${connections} connections of a pod`);
    const callsPerConnection = await bench.callsPerConnection();
    say(`kubernetes: ${plan.createdPods} pods of each mode`);
    const created = await bench.createdPods(plan.createdPods);
    return { ...edits, created, callsPerConnection };
  } finally {
    await bench.stop();
    cluster.removeNamespace(namespace);
  }
}

/** Of the managers of the cluster. */
async function imageOf({ kube }: Cluster): Promise<string | undefined> {
  let image: string | undefined;
  const labelSelector = 'app.kubernetes.io/name=nsm,app.kubernetes.io/component=manager';
  await kube.list(daemonSets, { labelSelector }, (found) => {
    image ??= found[0]?.spec.template.spec.containers[0]?.image;
  });
  return image;
}

class PodBench {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #image: string;
  readonly #pods: Informer<Pod>;
  /** By name: called once when the pod is Ready. */
  readonly #ready = new Map<string, () => void>();

  constructor(cluster: Cluster, namespace: string, image: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#image = image;
    this.#pods = new Informer(cluster.kube, pods, { namespace });
    this.#pods.watch((event) => {
      if (!('object' in event)) return;
      const { metadata, status } = event.object;
      if (!status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return;
      this.#ready.get(metadata.name)?.();
      this.#ready.delete(metadata.name);
    });
  }

  async start(): Promise<void> {
    this.#pods.start();
    await this.#create('endpoint', {
      args: ['endpoint', 'icmp-responder', '--service', service, '--name', 'bench', '--wait', '30s'],
      env: [{ name: 'NSM_NAMESPACE', value: this.#namespace }],
      ...sockets,
    });
  }

  stop(): Promise<void> {
    return this.#pods.stop();
  }

  async edits(count: number): Promise<Pick<KubernetesFigure, 'attach' | 'detach' | 'callsPerEdit'>> {
    await this.#create('edited', inPod.watchesInterface);
    using lines = new Lines(this.#cluster, this.#namespace, 'edited');
    await lines.next('begun');
    const edit = async (text: string | null, expected: string): Promise<number> => {
      const began = performance.now();
      const patch = { metadata: { annotations: { [annotation]: text } } };
      const heard = lines.next(expected);
      await this.#cluster.kube.patch(pods, { name: 'edited', namespace: this.#namespace }, patch);
      return (await heard) - began;
    };
    // V8 compiles, and what is known of the endpoint arrives.
    await edit(asked, 'up');
    await edit(null, 'down');
    await sleep(quietMs);
    const before = apiCallsOf(this.#cluster);
    const [attach, detach]: [number[], number[]] = [[], []];
    for (let n = 0; n < count; n++) {
      attach.push(await edit(asked, 'up'));
      detach.push(await edit(null, 'down'));
    }
    await sleep(quietMs);
    // The edit itself is a call.
    const callsPerEdit = rounded((apiCallsOf(this.#cluster) - before) / (2 * count) - 1);
    return { attach: summarize(attach, 0), detach: summarize(detach, 0), callsPerEdit };
  }

  async callsPerConnection(): Promise<number> {
    await this.#create('asking', { ...inPod.connects(service, connections), ...sockets });
    using lines = new Lines(this.#cluster, this.#namespace, 'asking');
    await lines.next('begun');
    const before = apiCallsOf(this.#cluster);
    await lines.next('connected');
    return rounded((apiCallsOf(this.#cluster) - before) / connections);
  }

  /** By turns. */
  async createdPods(count: number): Promise<KubernetesFigure['created']> {
    const times: Record<Mode, number[]> = { bare: [], agentless: [], init: [] };
    for (let n = 0; n < count; n++)
      for (const [mode, text] of Object.entries(modes) as [Mode, string | undefined][]) {
        const name = `${mode}-${n}`;
        const began = performance.now();
        await this.#create(name, inPod.doesNothing, text === undefined ? {} : { [annotation]: text });
        times[mode].push(performance.now() - began);
        await this.#cluster.kube.delete(pods, { name, namespace: this.#namespace });
        await waitFor(() => !this.#pods.get(`${this.#namespace}/${name}`), { timeout: patienceMs });
      }
    const { bare, agentless, init } = times;
    return { bare: summarize(bare, 0), agentless: summarize(agentless, 0), init: summarize(init, 0) };
  }

  /** Resolves when the pod is Ready. */
  async #create(name: string, container: object, annotations: Record<string, string> = {}): Promise<void> {
    const ready = new Promise<void>((resolve) => this.#ready.set(name, resolve));
    const spec = {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'bench', image: this.#image, ...container }],
    };
    await this.#cluster.kube.create(pods, {
      metadata: { name, namespace: this.#namespace, annotations },
      spec,
    });
    await within(ready, `pod ${name} Ready`);
  }
}

/** Of a container that asks for connections, or gives them. */
const sockets = { resources: { limits: { 'networkservicemesh.io/socket': '1' } } };

/** What a pod prints, and when. */
class Lines implements Disposable {
  readonly #waiting = new Map<string, (at: number) => void>();
  readonly #end: () => void;

  constructor(cluster: Cluster, namespace: string, pod: string) {
    const log = cluster.log(namespace, pod, (line, at) => this.#waiting.get(line)?.(at));
    this.#end = () => log.kill();
  }

  /** When the next line of that text comes. */
  next(text: string): Promise<number> {
    const heard = new Promise<number>((resolve) => this.#waiting.set(text, resolve));
    return within(heard, JSON.stringify(text)).finally(() => this.#waiting.delete(text));
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}

async function within<T>(what: Promise<T>, name: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(patienceMs, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`not within ${patienceMs / 1000} s: ${name}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([what, late]);
  } finally {
    stop.abort();
  }
}
