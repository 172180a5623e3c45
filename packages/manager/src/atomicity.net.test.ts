// All or nothing, on real interfaces: a failure after every single step of a local and of a remote request leaves
// nothing on either node.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { admin, Channel, connect, endpoint as ep, InterfaceType, Server, type ServiceClient } from '@nsm/api';
import { ipJson, leaks, makeNamespace, ping, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestManagerData } from './manager.test.worker.js';

const kernel = { type: InterfaceType.KERNEL_INTERFACE };

interface TestManager {
  readonly runDir: string;
  readonly steps: string[];
  failAt(step: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

async function startManager(
  folder: string,
  name: string,
  node: TestNamespace,
  address: string,
  registryUrl: string,
): Promise<TestManager> {
  const { port1, port2 } = new MessageChannel();
  const runDir = join(folder, name);
  const data: TestManagerData = {
    port: port2 as MessagePort,
    logFile: join(folder, `${name}.log`),
    options: {
      name,
      runDir,
      stateDir: join(folder, `${name}-state`),
      listen: `${address}:5001`,
      advertise: `${address}:5001`,
      registry: registryUrl,
      prefixes: [{ cidr: '10.60.0.0/16' }, { cidr: 'fd60::/48' }],
      // The test's own process speaks for all pods.
      allowedUids: [process.getuid?.() ?? 0],
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

describe.skipIf(!requireRoot('atomicity'))('a request that fails', () => {
  let folder: string;
  let namespaces: TestNamespace[];
  let managers: TestManager[];
  let channels: Channel[];
  let servers: Server[];
  let client: ServiceClient<typeof connect.ClientConnection>;
  const closed: string[] = [];

  const pod = (label: string): TestNamespace =>
    namespaces.find(({ name }) => name.endsWith(label)) as TestNamespace;
  const channel = (path: string): Channel => {
    const made = new Channel(`unix:${path}`);
    channels.push(made);
    return made;
  };
  const advertise = async (
    service: string,
    manager: TestManager,
    namespace: TestNamespace,
  ): Promise<void> => {
    const socketLocation = join(folder, `${service}.sock`);
    const server = new Server().add(ep.EndpointConnection, {
      requestEndpointConnection: async ({ requestId, networkServiceName }) => ({
        requestId,
        networkServiceName,
        linuxNamespace: namespace.name,
      }),
      closeEndpointConnection: async ({ requestId }) => {
        closed.push(requestId);
        return {};
      },
    });
    servers.push(server);
    await server.listenUnix(socketLocation);
    const reply = await channel(join(manager.runDir, 'endpoint.sock'))
      .client(ep.EndpointOperations)
      .advertiseEndpoint({
        networkEndpoint: [
          {
            networkServiceName: service,
            nseProviderName: `${service}-1`,
            socketLocation,
            interface: [kernel],
          },
        ],
      });
    expect(reply).toMatchObject({ accepted: true, admissionError: '' });
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-atomicity-'));
    namespaces = ['node-a', 'node-b', 'client', 'near', 'far'].map(makeNamespace);
    [channels, servers, managers] = [[], [], []];
    const [a, b] = [pod('node-a'), pod('node-b')];
    a.route.addLink({
      kind: 'veth',
      name: 'under',
      up: true,
      peer: { name: 'under', namespace: b.namespace, up: true },
    });
    for (const [node, n] of [
      [a, 1],
      [b, 2],
    ] as const)
      node.route.addAddress(node.route.link('under')!.index, { address: `10.9.0.${n}/24` });
    managers.push(await startManager(folder, 'node-a', a, '10.9.0.1', 'embedded:'));
    managers.push(await startManager(folder, 'node-b', b, '10.9.0.2', 'nsm://10.9.0.1:5001'));
    await advertise('near', managers[0]!, pod('near'));
    await advertise('far', managers[1]!, pod('far'));
    client = channel(join(managers[0]!.runDir, 'client.sock')).client(connect.ClientConnection);
  });
  afterEach(async () => {
    for (const made of channels) made.close();
    await Promise.all(servers.map((server) => server.stop()));
    for (const manager of managers.toReversed()) await manager.stop();
    for (const namespace of namespaces) namespace.remove();
    rmSync(folder, { recursive: true });
  });
  afterAll(() => expect(leaks()).toEqual([]));

  const request = (service: string) =>
    client.requestConnection({
      requestId: 'pod-1',
      networkServiceName: service,
      linuxNamespace: pod('client').name,
      interface: [kernel],
    });

  /** Everything that a connection could leave: links, addresses, routes, records. */
  const remains = async (): Promise<unknown[]> => {
    const links = await Promise.all(
      ['client', 'near', 'far'].map(async (label) =>
        (await ipJson(pod(label).name, ['link'])).map(({ ifname }) => ifname).filter((name) => name !== 'lo'),
      ),
    );
    const nodes = await Promise.all(
      ['node-a', 'node-b'].map(async (label) =>
        (await ipJson(pod(label).name, ['link']))
          .map(({ ifname }) => ifname)
          .filter((name) => name !== 'lo' && name !== 'under'),
      ),
    );
    const records = await Promise.all(
      managers.map(async ({ runDir }) => {
        const operator = channel(join(runDir, 'admin.sock')).client(admin.Admin);
        const { connections } = await operator.listConnections({});
        const { addressPairs, tunnelIdentifiers } = await operator.getManager({});
        const taken = [
          ...Array(addressPairs).fill('address pair'),
          ...Array(tunnelIdentifiers).fill('tunnel identifier'),
        ];
        return [...connections.map(({ id, state }) => `${id} ${state}`), ...taken];
      }),
    );
    return [...links, ...nodes, ...records].flat();
  };

  it.each(['near', 'far'])(
    'leaves nothing, whichever step of a request for "%s" it fails at',
    async (service) => {
      const accepted = await request(service);
      expect(accepted).toMatchObject({ accepted: true });
      const [peer] = accepted.connectionParameters!.peerAddresses;
      expect(await ping(pod('client').name, peer!)).toMatchObject({ received: 1 });
      await client.closeConnection({ requestId: 'pod-1', networkServiceName: service });
      expect(await remains()).toEqual([]);

      const stepsOf = managers.map(({ steps }) => [...new Set(steps)]);
      expect(stepsOf.flat().length).toBeGreaterThan(service === 'near' ? 3 : 7);
      for (const [index, steps] of stepsOf.entries()) {
        for (const step of steps) {
          await managers[index]!.failAt(step);
          const refused = await request(service);
          expect(refused, step).toMatchObject({ accepted: false });
          expect(refused.admissionError, step).toContain(`injected after "${step}"`);
          expect(await remains(), step).toEqual([]);
          await managers[index]!.failAt(undefined);
        }
      }
      // Nothing was used up: the pools give what they gave before, and the mesh still works.
      const again = await request(service);
      expect(again).toMatchObject({ accepted: true });
      expect(await ping(pod('client').name, again.connectionParameters!.peerAddresses[0]!)).toMatchObject({
        received: 1,
      });
      expect(closed.length).toBeGreaterThan(0);
    },
  );
});
