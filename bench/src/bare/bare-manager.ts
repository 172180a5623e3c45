// The floor: the same hops between the same number of processes and the same devices as a connection of the real
// manager, and nothing else: no checks, no choice, no record, no undo.
import { Channel, connect, endpoint, proxy, Server } from '@nsm/api';
import { RouteSocket } from '@nsm/netlink';
import { BareTunnels } from './bare-tunnels.js';
import { KernelThread } from './kernel-thread.js';
import { type End, type Removal, work } from './kernel-work.js';

export interface BareManagerOptions {
  readonly socket: string;
  /** HOST:PORT; TCP, for the other bare manager. */
  readonly listen: string;
  /** HOST:PORT of the other bare manager. */
  readonly peer: string;
  readonly endpointSocket: string;
  /** Underlay addresses. */
  readonly local: string;
  readonly remote: string;
}

/** What can be asked of a bare manager by network_service_name: the whole of a connection, or only some of its hops. */
export const bareServices = {
  /** Client to manager and back. */
  hop: 'hop',
  /** Client, manager, endpoint and back. */
  localHops: 'local-hops',
  /** Client, manager, manager, endpoint and back. */
  remoteHops: 'remote-hops',
  local: 'local',
  remote: 'remote',
} as const;

export async function serveBareManager(options: BareManagerOptions): Promise<void> {
  const { local, remote } = options;
  const endpoints = new Channel(`unix:${options.endpointSocket}`).client(endpoint.EndpointConnection);
  const managers = new Channel(options.peer).client(proxy.ProxyConnection);
  const thread = new KernelThread();
  await thread.started();
  const node = RouteSocket.open();
  const tunnels = new BareTunnels(node);
  const removals = new Map<string, Removal & { readonly tunnel?: number }>();

  const ask = async (requestId: string, networkServiceName: string): Promise<string> =>
    (await endpoints.requestEndpointConnection({ requestId, networkServiceName })).linuxNamespace;
  const tell = async (requestId: string, networkServiceName: string): Promise<void> => {
    await endpoints.closeEndpointConnection({ requestId, networkServiceName });
  };

  const connectTunnel = (requestId: string, side: End, resolve: boolean): void => {
    const { name, index } = tunnels.connect(
      requestId,
      side,
      { number: numberOf(requestId), local, remote },
      resolve,
    );
    removals.set(requestId, { name, tunnel: index });
  };
  const remove = async ({ tunnel, ...removal }: Removal & { readonly tunnel?: number }): Promise<void> => {
    await thread.remove(removal);
    if (tunnel !== undefined) tunnels.forget(tunnel);
  };

  const client = new Server().add(connect.ClientConnection, {
    async requestConnection({ requestId, networkServiceName, linuxNamespace }) {
      const side = clientEnd(requestId, linuxNamespace);
      if (networkServiceName === bareServices.localHops) await ask(requestId, networkServiceName);
      if (networkServiceName === bareServices.remoteHops)
        await managers.requestProxyConnection({ requestId, networkServiceName });
      if (networkServiceName === bareServices.local) {
        const namespace = await ask(requestId, networkServiceName);
        const other = endpointEnd(requestId, namespace);
        work({ kind: 'veth', alias: requestId, client: side, endpoint: other }, node);
        // The endpoint's pod has the ends of many connections: there they can be deleted by group.
        removals.set(requestId, { namespace, name: other.name });
      }
      if (networkServiceName === bareServices.remote) {
        await managers.requestProxyConnection({ requestId, networkServiceName });
        connectTunnel(requestId, side, true);
      }
      const { address, peerAddress, name: interfaceName, mac } = side;
      return {
        accepted: true,
        connectionParameters: {
          address,
          addresses: [address],
          peerAddresses: [peerAddress],
          interfaceName,
          mac,
        },
      };
    },
    async closeConnection({ requestId, networkServiceName }) {
      const removal = removals.get(requestId);
      removals.delete(requestId);
      if (removal)
        await Promise.all([
          remove(removal),
          networkServiceName === bareServices.local
            ? tell(requestId, networkServiceName)
            : managers.closeProxyConnection({ requestId, networkServiceName }),
        ]);
      return { accepted: true };
    },
    async *watchConnections() {},
  });

  const proxied = new Server().add(proxy.ProxyConnection, {
    async requestProxyConnection({ requestId, networkServiceName }) {
      const end = endpointEnd(requestId, await ask(requestId, networkServiceName));
      if (networkServiceName === bareServices.remote) {
        connectTunnel(requestId, end, false);
      }
      return { accepted: true };
    },
    checkConnections: async () => ({}),
    planProxyConnection: async () => ({ accepted: false }),
    moveConnection: async () => ({ accepted: false }),
    async closeProxyConnection({ requestId, networkServiceName }) {
      const removal = removals.get(requestId);
      removals.delete(requestId);
      await Promise.all([removal && remove(removal), tell(requestId, networkServiceName)]);
      return { accepted: true };
    },
  });
  await proxied.listenTcp(options.listen);
  await client.listenUnix(options.socket);
}

/** request_id of the n-th connection. */
export function bareRequestId(n: number): string {
  return `bare-${n}`;
}

function numberOf(requestId: string): number {
  return Number(requestId.slice(requestId.lastIndexOf('-') + 1));
}

export function clientEnd(requestId: string, namespace: string): End {
  return end(requestId, namespace, 'c', 1, 0);
}

export function endpointEnd(requestId: string, namespace: string): End {
  return end(requestId, namespace, 'e', 0, 1);
}

/** A pair of addresses of its own for each connection, of the address space of RFC 6598 that managers do not use. */
function end(requestId: string, namespace: string, side: string, own: number, other: number): End {
  const n = numberOf(requestId);
  const address = (which: number): string =>
    `100.${96 + ((n >> 15) & 31)}.${(n >> 7) & 255}.${(n & 127) * 2 + which}`;
  const hex = n.toString(16).padStart(8, '0').match(/../g)?.join(':') ?? '';
  return {
    namespace,
    name: `b${side}${n}`,
    mac: `0${2 + 4 * own}:00:${hex}`,
    address: `${address(own)}/31`,
    peerAddress: address(other),
  };
}
