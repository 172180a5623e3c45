// Two nodes with a manager each, as threads of the test, and pods whose endpoints the test itself serves.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Message, MessageInitShape } from '@bufbuild/protobuf';
import { admin, Channel, connect, endpoint as ep, InterfaceType, Server, type ServiceClient } from '@nsm/api';
import { ipJson, leaks, makeNamespace, type TestNamespace, thorough, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type MendPauses, mendPauses as realPauses } from './connection/mend-pace.js';
import type { TestManagerData } from './manager.test.worker.js';
import type { ManagerOptions } from './manager-options.js';

export const kernel: { readonly type: InterfaceType } = { type: InterfaceType.KERNEL_INTERFACE };

/** The parameters of an endpoint's reply. */
export type EndpointReply = Pick<
  Exclude<MessageInitShape<typeof ep.EndpointConnectionReplySchema>, Message>,
  'clientParameters' | 'endpointParameters' | 'requestId' | 'networkServiceName'
>;

/** What is set in the managers of a test otherwise. */
export type MoreOptions = Pick<ManagerOptions, 'mendPauses' | 'orphanedMs' | 'probeIntervalMs'>;

/** Pauses as they are, or a tenth of them: what is mended less and less often is so with either. */
export const mendPauses: MendPauses = thorough
  ? realPauses
  : (Object.fromEntries(
      Object.entries(realPauses).map(([name, ms]: [string, number]) => [name, ms / 10]),
    ) as unknown as MendPauses);

export interface TestManager {
  readonly runDir: string;
  readonly steps: string[];
  failAt(step: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

/** How the namespaces of two nodes are joined. */
export interface TestUnderlay {
  /** Those of node-a and node-b. */
  readonly addresses: readonly [string, string];
  /** Names of further namespaces that it needs. */
  readonly others: readonly string[];
  join(namespace: (name: string) => TestNamespace): void;
}

/** One link between both nodes. @param mtu bytes. */
export function linked(mtu: number = 1500): TestUnderlay {
  return {
    addresses: ['10.9.0.1', '10.9.0.2'],
    others: [],
    join(namespace) {
      joinByLink([namespace('node-a'), '10.9.0.1/24'], [namespace('node-b'), '10.9.0.2/24'], mtu);
    },
  };
}

/** Each node reaches the other by its default route, through `router`. */
export function routed(version: 4 | 6): TestUnderlay {
  const [net, length] = version === 4 ? ['10.9.', 24] : ['fd00:9:', 64];
  const at = (node: number, host: number): string => `${net}${node}${version === 4 ? '.' : '::'}${host}`;
  return {
    addresses: [at(1, 1), at(2, 1)],
    others: ['router'],
    join(namespace) {
      const router = namespace('router');
      for (const [index, name] of ['node-a', 'node-b'].entries()) {
        const node = namespace(name);
        const own = index + 1;
        joinByLink(
          [node, `${at(own, 1)}/${length}`],
          [router, `${at(own, 254)}/${length}`],
          1500,
          `to-${name}`,
        );
        node.route.addRoute({ destination: 'default', gateway: at(own, 254) });
      }
      router.namespace.run(() => {
        const forwarding = version === 4 ? 'ipv4/ip_forward' : 'ipv6/conf/all/forwarding';
        writeFileSync(`/proc/sys/net/${forwarding}`, '1');
      });
    },
  };
}

type End = readonly [TestNamespace, address: string];

export function joinByLink(
  [one, address]: End,
  [other, otherAddress]: End,
  mtu: number,
  otherName = 'under',
): void {
  one.route.addLink({
    kind: 'veth',
    name: 'under',
    mtu,
    up: true,
    peer: { name: otherName, namespace: other.namespace, mtu, up: true },
  });
  one.route.addAddress(one.route.link('under')!.index, { address, nodad: true });
  other.route.addAddress(other.route.link(otherName)!.index, { address: otherAddress, nodad: true });
}

function hostPort(address: string): string {
  return address.includes(':') ? `[${address}]:5001` : `${address}:5001`;
}

async function startManager(
  folder: string,
  name: string,
  node: TestNamespace,
  address: string,
  registryUrl: string,
  more: MoreOptions,
): Promise<TestManager> {
  const { port1, port2 } = new MessageChannel();
  const runDir = join(folder, name);
  const data: TestManagerData = {
    port: port2,
    logFile: join(folder, `${name}.log`),
    pkiDir: join(folder, 'pki'),
    options: {
      name,
      runDir,
      stateDir: join(folder, `${name}-state`),
      listen: hostPort(address),
      advertise: hostPort(address),
      registry: registryUrl,
      tunnels: [],
      prefixes: [{ cidr: '10.60.0.0/16' }, { cidr: 'fd60::/48' }],
      // The test's own process speaks for all pods.
      allowedUids: [process.getuid?.() ?? 0],
      ...more,
    },
  };
  let worker: Worker | undefined;
  node.namespace.run(() => {
    worker = new Worker(new URL('./manager.test.worker.js', import.meta.url), {
      workerData: data,
      transferList: [port2],
    });
  });
  const steps: string[] = [];
  let failed = (_error: Error): void => undefined;
  worker?.on('error', (error) => failed(error));
  const answers = (wanted: (message: unknown) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      failed = reject;
      const listener = (message: unknown): void => {
        if (!wanted(message)) return;
        port1.off('message', listener);
        resolve();
      };
      port1.on('message', listener);
    });
  port1.on('message', (message: { step?: string }) => {
    if (message.step !== undefined) steps.push(message.step);
  });
  await answers((message) => message === 'ready');
  return {
    runDir,
    steps,
    async failAt(step) {
      const answered = answers(
        (message) => typeof message === 'object' && message !== null && 'failing' in message,
      );
      port1.postMessage({ failAt: step });
      await answered;
    },
    async stop() {
      const exited = once(worker as Worker, 'exit');
      port1.postMessage('stop');
      await exited;
      port1.close();
    },
  };
}

export class TestMesh implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'nsm-mesh-'));
  readonly managers: TestManager[] = [];
  /** Request ids of connections that endpoints were told are closed. */
  readonly closed: string[] = [];
  /** What endpoints were asked. */
  readonly asked: ep.EndpointConnectionRequest[] = [];
  /** What endpoints wait for before they answer, and what they answer besides what they are served with. */
  readonly answering: { until: Promise<void>; with: (requestId: string) => EndpointReply } = {
    until: Promise.resolve(),
    with: () => ({}),
  };
  /** Why endpoints were told that connections are closed. */
  readonly reasons: string[] = [];
  readonly #pods = new Map<string, TestNamespace>();
  #podNames: readonly string[] = [];
  #more: MoreOptions = {};
  readonly #channels: Channel[] = [];
  #registry = '';
  readonly #servers = new Map<string, Server>();

  /**
   * @param pods names of pods; any of them may be on either node.
   * @param underlay how the nodes are joined. Default: by one link of 1500 bytes.
   * @param more what is set in both managers.
   */
  static async start(
    pods: readonly string[],
    underlay: TestUnderlay = linked(),
    more: MoreOptions = {},
  ): Promise<TestMesh> {
    const mesh = new TestMesh();
    mesh.#podNames = pods;
    mesh.#more = more;
    for (const name of ['node-a', 'node-b', ...underlay.others, ...pods])
      mesh.#pods.set(name, makeNamespace(name));
    underlay.join((name) => mesh.pod(name));
    const [a, b] = underlay.addresses;
    mesh.#registry = `nsm://${hostPort(a)}`;
    try {
      mesh.managers.push(
        await startManager(mesh.folder, 'node-a', mesh.pod('node-a'), a, 'embedded:', more),
        await startManager(mesh.folder, 'node-b', mesh.pod('node-b'), b, mesh.#registry, more),
      );
    } catch (error) {
      await mesh[Symbol.asyncDispose]();
      throw error;
    }
    return mesh;
  }

  /** A manager more, in a pod of its name, that finds the others by the registry of the first. */
  async join(name: string, address: string): Promise<void> {
    this.managers.push(
      await startManager(this.folder, name, this.pod(name), address, this.#registry, this.#more),
    );
  }

  /** Between tests on the same nodes: no connection, no endpoint, new pods, and nothing was asked yet. */
  async renew(): Promise<void> {
    this.answering.until = Promise.resolve();
    this.answering.with = () => ({});
    const nodes = [0, 1] as const;
    for (const node of nodes)
      for (const { id, role } of (await this.operator(node).listConnections({})).connections)
        if (role !== 'ENDPOINT') await this.operator(node).closeConnection({ id });
    for (const pod of [...this.#servers.keys()]) await this.killEndpoint(pod);
    await waitFor(
      async () => {
        const left = nodes.map(async (node) => {
          const { endpoints } = await this.operator(node).listEndpoints({});
          const { connections } = await this.operator(node).listConnections({});
          return endpoints.length + connections.length;
        });
        return Math.max(...(await Promise.all(left))) === 0;
      },
      { what: 'no connection and no endpoint', timeout: 30_000 },
    );
    for (const name of this.#podNames) {
      this.pod(name).remove();
      this.#pods.set(name, makeNamespace(name));
    }
    for (const told of [this.asked, this.closed, this.reasons, ...this.managers.map(({ steps }) => steps)])
      told.length = 0;
  }

  pod(name: string): TestNamespace {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`no pod ${name}`);
    return pod;
  }

  /** The client's view of a manager, 0 or 1. */
  client(node: 0 | 1): ServiceClient<typeof connect.ClientConnection> {
    return this.#channel(node, 'client.sock').client(connect.ClientConnection);
  }

  /** An endpoint's view of a manager. */
  provider(node: number): ServiceClient<typeof ep.EndpointOperations> {
    return this.#channel(node, 'endpoint.sock').client(ep.EndpointOperations);
  }

  operator(node: 0 | 1): ServiceClient<typeof admin.Admin> {
    return this.#channel(node, 'admin.sock').client(admin.Admin);
  }

  /**
   * Serves an endpoint in a pod and advertises it.
   * @param answer what it gives its clients. Default: nothing but its namespace.
   */
  async serve(
    node: number,
    service: string | readonly string[],
    pod: string,
    answer: EndpointReply = {},
  ): Promise<void> {
    const socketLocation = join(this.folder, `${pod}.sock`);
    const server = new Server().add(ep.EndpointConnection, {
      requestEndpointConnection: async (request) => {
        const { requestId, networkServiceName } = request;
        this.asked.push(request);
        await this.answering.until;
        const own = { requestId, networkServiceName, linuxNamespace: this.pod(pod).name };
        return { ...own, ...answer, ...this.answering.with(requestId) };
      },
      closeEndpointConnection: async ({ requestId, reason }) => {
        this.closed.push(requestId);
        this.reasons.push(reason);
        return {};
      },
    });
    this.#servers.set(pod, server);
    await server.listenUnix(socketLocation);
    const { accepted, admissionError } = await this.provider(node).advertiseEndpoint({
      networkEndpoint: [service].flat().map((networkServiceName) => ({
        networkServiceName,
        nseProviderName: pod,
        socketLocation,
        interface: [kernel],
      })),
    });
    if (!accepted) throw new Error(admissionError);
  }

  /** The endpoint is withdrawn; its process serves on. */
  async withdraw(node: 0 | 1, service: string, pod: string): Promise<void> {
    const { accepted, admissionError } = await this.provider(node).removeEndpoint({
      networkServiceName: service,
      nseProviderName: pod,
    });
    if (!accepted) throw new Error(admissionError);
  }

  /** The endpoint's process is gone, as far as anyone can see. */
  async killEndpoint(pod: string): Promise<void> {
    await this.#servers.get(pod)?.stop();
    this.#servers.delete(pod);
  }

  /** Everything that connections could leave behind: links, records, addresses, identifiers. */
  async remains(): Promise<unknown[]> {
    const links = await Promise.all(
      [...this.#pods.values()].map(async ({ name }) =>
        (await ipJson(name, ['link'])).map(({ ifname }) => ifname),
      ),
    );
    const kept = await Promise.all(
      ([0, 1] as const).map(async (node) => {
        const { connections } = await this.operator(node).listConnections({});
        const { addressPairs, tunnelIdentifiers } = await this.operator(node).getManager({});
        const taken = [
          ...Array(addressPairs).fill('address pair'),
          ...Array(tunnelIdentifiers).fill('tunnel identifier'),
        ];
        return [...connections.map(({ id, state }) => `${id} ${state}`), ...taken];
      }),
    );
    return [...links, ...kept].flat().filter((name) => name !== 'lo' && name !== 'under');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
    for (const manager of this.managers.toReversed()) await manager.stop();
    for (const pod of this.#pods.values()) pod.remove();
    rmSync(this.folder, { recursive: true });
  }

  #channel(node: number, socket: string): Channel {
    const address = `unix:${join(this.managers[node]!.runDir, socket)}`;
    const present = this.#channels.find((channel) => channel.address === address);
    const channel = present ?? new Channel(address);
    if (!present) this.#channels.push(channel);
    return channel;
  }
}

/**
 * One mesh for all tests of a suite, which each find it without connections and endpoints, and with new pods.
 * @returns where the mesh is while a test runs.
 */
export function sharedMesh(...given: Parameters<typeof TestMesh.start>): { readonly mesh: TestMesh } {
  const shared: { mesh: TestMesh } = { mesh: undefined as unknown as TestMesh };
  beforeAll(async () => {
    shared.mesh = await TestMesh.start(...given);
  });
  afterEach(async () => await shared.mesh.renew());
  afterAll(async () => {
    await shared.mesh[Symbol.asyncDispose]();
    expect(leaks()).toEqual([]);
  });
  return shared;
}
