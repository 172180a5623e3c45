// The manager's side of the wire for the SDK's tests: real servers on real sockets that remember what they were told.
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CallContext, connect, endpoint, Server, type ServiceImplementation } from '@nsm/api';

type Watch = ReturnType<ServiceImplementation<typeof connect.ClientConnection>['watchConnections']>;
type Change = Parameters<ManagerSide['tell']>[0];

export class ManagerSide implements AsyncDisposable {
  readonly runDir: string = mkdtempSync(join(tmpdir(), 'nsm-sdk-'));
  readonly requests: connect.ConnectionRequest[] = [];
  readonly closed: string[] = [];
  readonly advertised: endpoint.EndpointAdvertiseRequest[] = [];
  readonly removed: endpoint.RemoveEndpointRequest[] = [];
  /** Keys of the connections it has. */
  readonly connections: Set<string> = new Set();
  /** Watches begun so far. */
  watches = 0;
  refuse = '';
  /** Awaited before a request is answered. */
  onRequest: () => Promise<void> = async () => {};
  /** Awaited before a removal is answered. */
  onRemove: () => Promise<void> = async () => {};
  nextId = 'node-a:1';
  #servers: Server[] = [];
  #watchers = new Set<(change: Change) => void>();
  #advertisedWaiters: (() => void)[] = [];
  #watchWaiters: (() => void)[] = [];

  /** `user`: who owns its sockets, where the test is root. Default: the test's own. */
  async start(user?: number): Promise<this> {
    const clients = new Server().add(connect.ClientConnection, {
      requestConnection: async (request) => {
        this.requests.push(request);
        await this.onRequest();
        if (this.refuse) return { accepted: false, admissionError: this.refuse };
        this.connections.add(`${request.requestId} ${request.networkServiceName}`);
        return {
          accepted: true,
          interface: request.interface[0] ?? {},
          connectionParameters: parameters('10.60.1.1/31', this.nextId),
        };
      },
      closeConnection: async (request) => {
        this.connections.delete(`${request.requestId} ${request.networkServiceName}`);
        this.closed.push(request.requestId);
        return { accepted: true };
      },
      watchConnections: (_, { signal }) => this.#watch(signal),
    });
    const endpoints = new Server().add(endpoint.EndpointOperations, {
      advertiseEndpoint: async (request) => {
        this.advertised.push(request);
        for (const wake of this.#advertisedWaiters.splice(0)) wake();
        return this.refuse ? { accepted: false, admissionError: this.refuse } : { accepted: true };
      },
      removeEndpoint: async (request) => {
        this.removed.push(request);
        await this.onRemove();
        return { accepted: true };
      },
      closeConnection: async () => ({ accepted: true }),
    });
    this.#servers = [clients, endpoints];
    await clients.listenUnix(join(this.runDir, 'client.sock'));
    await endpoints.listenUnix(join(this.runDir, 'endpoint.sock'));
    if (user !== undefined) chownSync(join(this.runDir, 'endpoint.sock'), user, user);
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.runDir, { recursive: true, force: true });
  }

  tell(change: {
    kind: connect.ConnectionEvent_Kind;
    requestId: string;
    service: string;
    address?: string;
    detail?: string;
  }): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  nextAdvertisement(): Promise<void> {
    return new Promise((resolve) => this.#advertisedWaiters.push(resolve));
  }

  nextWatch(): Promise<void> {
    return this.#watchers.size > 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#watchWaiters.push(resolve));
  }

  async *#watch(signal: CallContext['signal']): Watch {
    this.watches++;
    const queue: Change[] = [];
    let wake = (): void => {};
    const watcher = (change: Change): void => {
      queue.push(change);
      wake();
    };
    for (const key of this.connections) {
      const [requestId = '', service = ''] = key.split(' ');
      queue.push({ kind: connect.ConnectionEvent_Kind.UP, requestId, service, address: '10.60.1.1/31' });
    }
    queue.push({ kind: connect.ConnectionEvent_Kind.SYNCED, requestId: '', service: '' });
    this.#watchers.add(watcher);
    for (const waiting of this.#watchWaiters.splice(0)) waiting();
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        const change = queue.shift();
        if (change) {
          const { kind, requestId, service, address, detail = '' } = change;
          yield {
            kind,
            requestId,
            networkServiceName: service,
            detail,
            ...(address ? { connectionParameters: parameters(address), interface: { type: 1 } } : {}),
          };
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

function parameters(address: string, id = 'node-a:1') {
  return {
    address,
    addresses: [address],
    peerAddresses: ['10.60.1.0'],
    route: ['10.0.0.0/8'],
    mtu: 1450,
    mac: '02:00:00:00:00:01',
    interfaceName: 'nsm0',
    connectionId: id,
    dns: { servers: ['10.0.0.53'], searchDomains: ['mesh'] },
  };
}
