// A mesh that is told of and is not there: managers whose every word the test chooses.
import { EventEmitter, once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { admin } from '@nsm/api';
import type {
  ConnectionNews,
  ExplainedRequest,
  Explanation,
  Look,
  ManagerFeed,
  MeshSource,
} from '@nsm/dashboard';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { endpointView, type ListedEndpointView } from '@nsm/views/endpoint-view';
import { explanationView } from '@nsm/views/explanation-view';
import { managerView } from '@nsm/views/manager-view';

export const since: string = new Date(Date.now() - 3_725_000).toISOString();

export function endpointTold(
  name: string,
  service: string,
  manager: string,
  more: Partial<ListedEndpointView> = {},
): ListedEndpointView {
  const named = { name, service, manager, interfaces: ['kernel'], unavailable: '' };
  return { ...endpointView(undefined), ...named, ...more };
}

const blank = connectionView(create(admin.ConnectionSchema));

const side = (interfaceName: string, address: string, namespace: string) => ({
  ...blank.client,
  interfaceName,
  namespace,
  addresses: [address],
  routes: ['10.70.0.0/24'],
  routeCount: 1,
  mtu: 1450,
  mac: '02:00:00:00:00:01',
});

/** @param number tells connections apart, and gives them addresses. */
export function connectionTold(
  number: number,
  node: string,
  { name, service, manager }: ListedEndpointView,
  more: Partial<ConnectionView> = {},
): ConnectionView {
  const isLocal = node === manager;
  const address = `10.${60 + (number >> 8)}.${number & 255}.1/31`;
  return {
    ...blank,
    id: `${node}:${number.toString(16).padStart(8, '0')}`,
    service,
    requestId: `client-${number}`,
    role: isLocal ? 'LOCAL' : 'CLIENT',
    state: 'SYNCED',
    since,
    history: [
      {
        time: new Date(Date.parse(since) - 12).toISOString(),
        state: 'CONNECTING',
        detail: '',
        durationMs: 12,
      },
      { time: since, state: 'SYNCED', detail: '', durationMs: null },
    ],
    endpoint: name,
    peerManager: manager,
    interface: 'kernel',
    client: side('nsm0', address, `/run/netns/client-${number}`),
    endpointSide: side(`nse${number}`, address, isLocal ? `/run/netns/${name}` : ''),
    tunnel: isLocal
      ? null
      : { type: 'VXLAN', identifier: 700 + number, local: '10.0.0.1', remote: '10.0.0.2', port: 4789 },
    statistics: countersAt(0, number),
    roundTripUs: isLocal ? 31 : 84,
    ...more,
  };
}

/** @param ms since the beginning. */
function countersAt(ms: number, number: number): NonNullable<ConnectionView['statistics']> {
  // Its rate goes up and down, and never below 0.
  const seconds = ms / 1000;
  const packets = Math.round((50 + (number % 17) * 400) * (seconds + 3 * Math.sin(seconds / 4 + number)));
  return {
    receivedPackets: packets,
    receivedBytes: packets * 900,
    receivedDrops: 0,
    sentPackets: packets,
    sentBytes: packets * 140,
    sentDrops: 0,
    drops: {},
  };
}

export class FakeManager implements ManagerFeed {
  readonly where: string;
  readonly isLocal: boolean = true;
  /** What was asked to be changed. */
  readonly changed: string[] = [];
  endpoints: ListedEndpointView[] = [];
  readonly connections: Map<string, ConnectionView> = new Map();
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
  put(connection: ConnectionView): void {
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
        ...managerView(undefined),
        name: one.#name,
        address: `10.0.0.${index + 1}:5001`,
        version: '0.1.0',
        security: 'mtls',
        alive: true,
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
        endpoint: {
          nseProviderName: one.name,
          networkServiceName: service,
          networkServiceHost: one.manager,
          labels: { selector: one.labels },
        },
        rank: one.unavailable === '' ? index + 1 : 0,
        reason: one.unavailable || `on node ${one.manager}, ${index} connections`,
        checks: [{ about: 'node', passed: one.unavailable === '', text: one.unavailable }],
      }));
    return explanationView(service, create(admin.ExplainSelectionReplySchema, { candidates }));
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
