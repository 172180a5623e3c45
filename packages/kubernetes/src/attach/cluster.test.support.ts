// Stand-ins for tests of the agent: an API server in memory, the manager's side, and cgroups of a node whose pods are processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { ConnectionParametersSchema } from '@nsm/api';
import type { Event, KubeClient, KubeObject, Resource } from '@nsm/kube-client';
import type { Connection, ConnectionChange, PodPort, PodRequest } from '@nsm/manager';

/** What is told and read later. */
class Queue<T> {
  readonly #items: T[] = [];
  #wake: () => void = () => undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<T> {
    while (!signal.aborted) {
      for (let item = this.#items.shift(); item; item = this.#items.shift()) yield item;
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}

interface Applied extends KubeObject {
  readonly status?: { readonly conditions?: object[] };
}

export class TestCluster {
  readonly events: Event[] = [];
  /** Calls that write, save those for Events. */
  writes = 0;
  readonly #objects = new Map<string, Applied>();
  readonly #watches = new Map<string, Queue<unknown>>();
  #version = 1;

  /** The part of a client that the agent uses. */
  get client(): KubeClient {
    const stub = {
      list: async (
        resource: Resource<KubeObject>,
        _: object,
        page: (items: readonly KubeObject[]) => void,
      ) => {
        page(
          [...this.#objects].flatMap(([key, object]) =>
            key.startsWith(`${resource.plural} `) ? [object] : [],
          ),
        );
        return String(this.#version);
      },
      watch: async (resource: Resource<KubeObject>, _: object, signal: AbortSignal) => {
        const queue = new Queue<unknown>();
        this.#watches.set(resource.plural, queue);
        return queue.read(signal);
      },
      apply: async (resource: Resource<KubeObject>, { metadata, status }: Applied) => {
        this.writes++;
        const before = this.#objects.get(`${resource.plural} ${metadata.name}`);
        const annotations: Record<string, string> = { ...before?.metadata.annotations };
        // The fields of the one writer there is: those that it gives no more go.
        delete annotations['networkservicemesh.io/status'];
        return this.put(resource.plural, {
          ...before,
          metadata: {
            ...before?.metadata,
            ...metadata,
            annotations: { ...annotations, ...metadata.annotations },
          },
          status: { ...before?.status, ...status },
        });
      },
      create: async (_: unknown, event: Event) => void this.events.push(event),
      patch: async () => undefined,
      stop: () => undefined,
    };
    return stub as unknown as KubeClient;
  }

  put(plural: string, object: Applied): Applied {
    const key = `${plural} ${object.metadata.name}`;
    const written = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(key, written);
    this.#watches.get(plural)?.push({ type, object: written });
    return written;
  }

  remove(plural: string, name: string): void {
    const object = this.#objects.get(`${plural} ${name}`);
    this.#objects.delete(`${plural} ${name}`);
    this.#watches.get(plural)?.push({ type: 'DELETED', object });
  }

  annotate(plural: string, name: string, annotations: Record<string, string | undefined>): void {
    const object = this.get(plural, name);
    const all = { ...object.metadata.annotations, ...annotations };
    const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    this.put(plural, {
      ...object,
      metadata: { ...object.metadata, annotations: kept as Record<string, string> },
    });
  }

  get(plural: string, name: string): Applied {
    return this.#objects.get(`${plural} ${name}`) ?? { metadata: { name } };
  }
}

export class TestPort {
  /** What each attempt for a service fails with, while it is set. */
  readonly refusals: Map<string, Error> = new Map();
  readonly log: string[] = [];
  readonly #connections: Connection[] = [];
  readonly #changes = new Queue<ConnectionChange>();
  readonly #listeners = new Set<(service: string) => void>();
  readonly #inodeOf: (pid: number) => number;
  readonly stopping: AbortController = new AbortController();

  constructor(inodeOf: (pid: number) => number) {
    this.#inodeOf = inodeOf;
  }

  get port(): PodPort {
    return {
      stopping: this.stopping.signal,
      socketFolders: ['/run/nsm/pods/0'],
      connections: () => this.#connections,
      watch: (signal) => this.#changes.read(signal),
      onEndpoint: (listener) => {
        this.#listeners.add(listener);
        return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
      },
      attach: async ({ pid }, request) => {
        const refusal = this.refusals.get(request.networkServiceName);
        this.log.push(`attach ${short(request)}${refusal ? ' refused' : ''}`);
        if (refusal) throw refusal;
        const connection = this.add(this.#inodeOf(pid), request, { annotated: true });
        return connection;
      },
      detach: async (connection) => {
        this.log.push(`detach ${connection.service} ${connection.requestId}`);
        this.drop(connection);
      },
      factsChanged: (inode) => void this.log.push(`facts ${inode}`),
    };
  }

  endpointComes(service: string): void {
    this.refusals.delete(service);
    for (const listener of this.#listeners) listener(service);
  }

  add(inode: number, request: PodRequest, marks: { annotated?: boolean } = {}): Connection {
    const key = `${inode} ${request.networkServiceName}/${request.requestId}`;
    const former = this.#connections.find((one) => one.key === key);
    if (former) this.#connections.splice(this.#connections.indexOf(former), 1);
    const connection = {
      id: key,
      key,
      role: 'LOCAL',
      generation: 1,
      requestId: request.requestId,
      service: request.networkServiceName,
      request,
      owner: { namespace: inode, ...marks },
      endpoint: { name: 'an-endpoint', namespace: 'default' },
      interface: request.interface[0],
      clientParameters: create(ConnectionParametersSchema, {
        interfaceName: request.interface[0]?.parameters?.interfaceParameters.name ?? 'nsm0',
        addresses: ['10.60.0.1/31'],
        mtu: 1500,
      }),
      crossConnect: {},
      intent: { kind: 'connected' },
      phase: { kind: 'UP' },
    } as unknown as Connection;
    this.#connections.push(connection);
    this.#changes.push({ kind: 'changed', connection });
    return connection;
  }

  drop(connection: Connection): void {
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    this.#changes.push({ kind: 'removed', connection, reason: 'closed' });
  }

  /** As the manager would heal it. */
  become(connection: Connection, phase: Connection['phase']): void {
    const changed = { ...connection, phase };
    this.#connections[this.#connections.findIndex(({ id }) => id === connection.id)] = changed;
    this.#changes.push({ kind: 'changed', connection: changed });
  }

  get connections(): readonly Connection[] {
    return this.#connections;
  }
}

function short({ networkServiceName, requestId, interface: [one] }: PodRequest): string {
  return `${networkServiceName}/${one?.parameters?.interfaceParameters.name ?? ''} ${requestId}`;
}

/** Cgroups as kubelet makes them, in a folder of the test, and a process for each sandbox. */
export class TestNode {
  readonly cgroups: string = mkdtempSync(join(tmpdir(), 'nsm-node-'));
  readonly #processes: ChildProcess[] = [];

  constructor() {
    mkdirSync(join(this.cgroups, 'kubepods/besteffort'), { recursive: true });
  }

  /** @returns what ends it. */
  runSandbox(uid: string): () => Promise<void> {
    const child = spawn('sleep', ['1000']);
    this.#processes.push(child);
    const folder = join(this.cgroups, 'kubepods/besteffort', `pod${uid}`);
    mkdirSync(join(folder, String(child.pid)), { recursive: true });
    writeFileSync(join(folder, String(child.pid), 'cgroup.procs'), `${child.pid}\n`);
    return async () => {
      rmSync(join(folder, String(child.pid)), { recursive: true });
      child.kill('SIGKILL');
      await once(child, 'exit');
    };
  }

  stop(): void {
    for (const child of this.#processes) child.kill('SIGKILL');
    rmSync(this.cgroups, { recursive: true, force: true });
  }
}
