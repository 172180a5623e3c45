// Two nodes with a manager each, as threads of the test, and pods whose endpoints the test itself serves.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Message, MessageInitShape } from '@bufbuild/protobuf';
import { admin, Channel, connect, endpoint as ep, InterfaceType, Server, type ServiceClient } from '@nsm/api';
import { ipJson, leaks, makeNamespace, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { hostPort, type MoreOptions, startManager, type TestManager } from './manager.test.start.js';
import { linked, type TestUnderlay } from './manager.test.underlay.js';

export const kernel: { readonly type: InterfaceType } = { type: InterfaceType.KERNEL_INTERFACE };

/** The parameters of an endpoint's reply. */
export type EndpointReply = Pick<
  Exclude<MessageInitShape<typeof ep.EndpointConnectionReplySchema>, Message>,
  'clientParameters' | 'endpointParameters' | 'requestId' | 'networkServiceName'
>;

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
    try {
      await mesh.join('node-a', a);
      await mesh.join('node-b', b);
    } catch (error) {
      await mesh[Symbol.asyncDispose]();
      throw error;
    }
    return mesh;
  }

  /** Starts a manager in the pod of its name. The first has the registry, by which the others find it. */
  async join(name: string, address: string): Promise<void> {
    const { folder } = this;
    const isFirst = this.managers.length === 0;
    if (isFirst) this.#registry = `nsm://${hostPort(address)}`;
    const registry = isFirst ? 'embedded:' : this.#registry;
    const node = this.pod(name);
    this.managers.push(await startManager({ folder, name, node, address, registry, more: this.#more }));
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
