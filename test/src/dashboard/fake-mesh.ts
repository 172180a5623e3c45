// A mesh that is told of and is not there: managers whose every word the test chooses.
import { EventEmitter, once } from 'node:events';
import type {
  ConnectionNews,
  ConnectionTold,
  EndpointTold,
  ExplainedRequest,
  Explanation,
  Look,
  ManagerFeed,
  MeshSource,
} from '@nsm/dashboard';

const since = new Date(Date.now() - 3_725_000).toISOString();

export function endpointTold(
  name: string,
  service: string,
  manager: string,
  more: Partial<EndpointTold> = {},
): EndpointTold {
  const rest = { interfaces: ['kernel'], labels: {}, prefixes: [], unavailable: '' };
  return { name, namespace: 'default', service, manager, ...rest, ...more };
}

const side = (interfaceName: string, address: string, namespace: string) => ({
  ...{ interfaceName, namespace, pod: '', addresses: [address], routes: ['10.70.0.0/24'], routeCount: 1 },
  ...{ mtu: 1450, mac: '02:00:00:00:00:01' },
});

/** @param number tells connections apart, and gives them addresses. */
export function connectionTold(
  number: number,
  node: string,
  { name, service, manager }: EndpointTold,
  more: Partial<ConnectionTold> = {},
): ConnectionTold {
  const isLocal = node === manager;
  const address = `10.${60 + (number >> 8)}.${number & 255}.1/31`;
  return {
    id: `${node}:${number.toString(16).padStart(8, '0')}`,
    service,
    requestId: `client-${number}`,
    role: isLocal ? 'LOCAL' : 'CLIENT',
    state: 'SYNCED',
    detail: '',
    since,
    attempt: 0,
    history: [
      { time: new Date(Date.parse(since) - 12).toISOString(), state: 'CONNECTING', detail: '' },
      { time: since, state: 'SYNCED', detail: '' },
    ],
    endpoint: name,
    endpointNamespace: 'default',
    peerManager: manager,
    peerId: '',
    interface: 'kernel',
    client: side('nsm0', address, `/run/netns/client-${number}`),
    endpointSide: side(`nse${number}`, address, isLocal ? `/run/netns/${name}` : ''),
    tunnel: isLocal
      ? null
      : { type: 'VXLAN', identifier: 700 + number, local: '10.0.0.1', remote: '10.0.0.2' },
    statistics: countersAt(0, number),
    lastOrder: null,
    roundTripUs: isLocal ? 31 : 84,
    heals: 0,
    ...more,
  };
}

/** @param ms since the beginning. */
function countersAt(ms: number, number: number): NonNullable<ConnectionTold['statistics']> {
  // Its rate goes up and down, and never below 0.
  const seconds = ms / 1000;
  const packets = Math.round((50 + (number % 17) * 400) * (seconds + 3 * Math.sin(seconds / 4 + number)));
  return {
    ...{ receivedPackets: packets, receivedBytes: packets * 900, receivedDrops: 0 },
    ...{ sentPackets: packets, sentBytes: packets * 140, sentDrops: 0, drops: {} },
  };
}

export class FakeManager implements ManagerFeed {
  readonly where: string;
  readonly isLocal: boolean = true;
  /** What was asked to be changed. */
  readonly changed: string[] = [];
  endpoints: EndpointTold[] = [];
  readonly connections: Map<string, ConnectionTold> = new Map();
  /** Set, it does not answer. */
  silent = '';
  readonly #name: string;
  readonly #mesh: FakeMesh;
  readonly #news = new EventEmitter();
  readonly #began = performance.now();

  constructor(name: string, mesh: FakeMesh) {
    this.#name = name;
    this.#mesh = mesh;
    this.where = `/run/${name}`;
  }

  /** Tells it, as a manager tells of a change. */
  put(connection: ConnectionTold): void {
    this.connections.set(connection.id, connection);
    this.#news.emit('news', { kind: 'put', connection } satisfies ConnectionNews);
  }

  async look(): Promise<Look> {
    if (this.silent !== '') throw new Error(this.silent);
    const ms = performance.now() - this.#began + 20_000;
    return {
      name: this.#name,
      troubles: [],
      managers: this.#mesh.managers.map((one, index) => ({
        ...{ name: one.#name, address: `10.0.0.${index + 1}:5001`, version: '0.1.0', security: 'mtls' },
        ...{ alive: true, stopped: false, drained: false },
      })),
      endpoints: this.#mesh.managers.flatMap(({ endpoints }) => endpoints),
      connections: [...this.connections.values()].map((one, number) => ({
        ...one,
        statistics: countersAt(ms, number),
      })),
    };
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionNews> {
    while (!signal.aborted) {
      const [news] = (await once(this.#news, 'news', { signal })) as [ConnectionNews];
      yield news;
    }
  }

  async compare(id: string): ReturnType<ManagerFeed['compare']> {
    const { state, detail, roundTripUs = null } = this.connections.get(id) ?? {};
    return { differences: state === 'STALE' ? [detail ?? ''] : [], roundTripUs };
  }

  async explain({ service }: ExplainedRequest): Promise<Explanation> {
    const candidates = this.#mesh.managers
      .flatMap(({ endpoints }) => endpoints)
      .filter((one) => one.service === service)
      .map((one, index) => ({
        ...one,
        rank: one.unavailable === '' ? index + 1 : 0,
        reason: one.unavailable || `on node ${one.manager}, ${index} connections`,
        rule: '',
        lost: '',
        checks: [{ about: 'node', passed: one.unavailable === '', text: one.unavailable }],
      }));
    return { problems: [], candidates };
  }

  async capture(id: string, out: NodeJS.WritableStream): Promise<void> {
    out.write(`packets of ${id}`);
  }

  async disconnect(id: string): Promise<void> {
    this.changed.push(`disconnect ${id}`);
    const connection = this.connections.get(id);
    this.connections.delete(id);
    if (connection) this.#news.emit('news', { kind: 'removed', connection } satisfies ConnectionNews);
  }

  async drain(undo: boolean): Promise<string> {
    this.changed.push(undo ? 'undrain' : 'drain');
    return 'endpoints are out of service; 2 connections moved';
  }

  [Symbol.dispose](): void {}
}

export class FakeMesh implements MeshSource {
  readonly managers: readonly FakeManager[];

  constructor(names: readonly string[]) {
    this.managers = names.map((name) => new FakeManager(name, this));
  }

  get feeds(): readonly FakeManager[] {
    return this.managers;
  }

  feedOf(): string {
    return 'not asked';
  }
}

/** Three nodes, four services, and connections in every state. */
export function variedMesh(): FakeMesh {
  const mesh = new FakeMesh(['node-a', 'node-b', 'node-c']);
  const [a, b, c] = mesh.managers as [FakeManager, FakeManager, FakeManager];
  const firewall = endpointTold('fw-1', 'firewall', 'node-a', { labels: { tier: 'gold' } });
  const vpn = endpointTold('vpn-1', 'vpn-gateway', 'node-b', { prefixes: ['10.70.0.0/24'] });
  const dns = endpointTold('dns-2', 'dns', 'node-c', { unavailable: 'its node is drained' });
  const lan = endpointTold('lan-1', 'lan', 'node-c', { interfaces: ['kernel', 'mem'] });
  a.endpoints = [firewall];
  b.endpoints = [vpn];
  c.endpoints = [dns, lan];
  const put = (manager: FakeManager, connection: ConnectionTold): void =>
    void manager.connections.set(connection.id, connection);
  const order = {
    ...{
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      kind: 'connect',
      started: since,
      durationMs: 11.8,
      underWay: false,
    },
    steps: [
      {
        name: 'choose endpoint',
        manager: 'node-a',
        component: 'manager',
        startMs: 0,
        durationMs: 0.4,
        error: '',
      },
      {
        name: 'ask other manager',
        manager: 'node-a',
        component: 'manager',
        startMs: 0.5,
        durationMs: 6.9,
        error: '',
      },
      {
        name: 'ask endpoint',
        manager: 'node-b',
        component: 'endpoint',
        startMs: 1.2,
        durationMs: 2.3,
        error: '',
      },
      {
        name: 'make interface',
        manager: 'node-b',
        component: 'forwarder',
        startMs: 3.6,
        durationMs: 2.9,
        error: '',
      },
      {
        name: 'make interface',
        manager: 'node-a',
        component: 'forwarder',
        startMs: 7.5,
        durationMs: 2.6,
        error: '',
      },
      { name: 'probe', manager: 'node-a', component: 'forwarder', startMs: 10.2, durationMs: 1.5, error: '' },
    ],
  };
  put(a, connectionTold(1, 'node-a', firewall, { requestId: 'web-1' }));
  put(a, connectionTold(2, 'node-a', vpn, { requestId: 'web-2', lastOrder: order, roundTripUs: 190 }));
  put(a, connectionTold(3, 'node-a', lan, { requestId: 'batch-1' }));
  put(b, connectionTold(4, 'node-b', firewall, { requestId: 'api-1' }));
  put(
    b,
    connectionTold(5, 'node-b', lan, {
      requestId: 'api-2',
      state: 'HEALING',
      attempt: 2,
      detail: 'no packets come back',
    }),
  );
  put(b, connectionTold(6, 'node-b', vpn, { requestId: 'cache-1' }));
  put(c, connectionTold(7, 'node-c', lan, { requestId: 'edge-1' }));
  put(
    c,
    connectionTold(8, 'node-c', firewall, {
      requestId: 'edge-2',
      state: 'FAILED',
      detail: 'endpoint fw-1 refuses',
    }),
  );
  put(
    c,
    connectionTold(9, 'node-c', vpn, {
      requestId: 'edge-3',
      state: 'STALE',
      detail: 'route removed by others',
    }),
  );
  return mesh;
}

/** @param connections so many, over four nodes and eight endpoints. */
export function largeMesh(connections: number): FakeMesh {
  const mesh = new FakeMesh(['node-a', 'node-b', 'node-c', 'node-d']);
  mesh.managers.forEach((manager, index) => {
    manager.endpoints = [0, 1].map((one) =>
      endpointTold(`ep-${index}-${one}`, `service-${one}`, `node-${'abcd'[index]}`),
    );
  });
  const endpoints = mesh.managers.flatMap(({ endpoints }) => endpoints);
  for (let number = 0; number < connections; number++) {
    const manager = mesh.managers[number % 4] as FakeManager;
    const told = connectionTold(number, `node-${'abcd'[number % 4]}`, endpoints[number % 7] as EndpointTold);
    manager.connections.set(told.id, told);
  }
  return mesh;
}
