// What tells of one manager: the command line makes it of an admin.sock or of a TCP connection, tests of nothing.
import type { Compared, Explanation, Order, PastState, Trouble, Tunnel } from './model.js';

/** What a manager tells of a connection; of one between nodes it has one half. */
export interface ConnectionTold {
  readonly id: string;
  readonly service: string;
  readonly requestId: string;
  /** LOCAL, CLIENT or ENDPOINT. */
  readonly role: string;
  readonly state: string;
  readonly detail: string;
  readonly since: string | null;
  readonly attempt: number;
  readonly history: readonly (Omit<PastState, 'time'> & { readonly time: string | null })[];
  readonly endpoint: string;
  readonly endpointNamespace: string;
  readonly peerManager: string;
  /** Id of the other half, or ''. */
  readonly peerId: string;
  readonly interface: string;
  readonly client: SideTold;
  readonly endpointSide: SideTold;
  readonly tunnel: Tunnel | null;
  readonly statistics: StatisticsTold | null;
  readonly lastOrder: Order | null;
  readonly roundTripUs: number | null;
  readonly heals: number;
}

export interface SideTold {
  readonly interfaceName: string;
  readonly namespace: string;
  readonly pod: string;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly routeCount: number;
  readonly mtu: number;
  readonly mac: string;
}

export interface StatisticsTold {
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly receivedDrops: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly sentDrops: number;
  readonly drops: Readonly<Record<string, number>>;
}

export interface EndpointTold {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly manager: string;
  readonly interfaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly prefixes: readonly string[];
  readonly unavailable: string;
}

/** As the registry has it. */
export interface ManagerTold {
  readonly name: string;
  readonly address: string;
  readonly version: string;
  readonly security: string;
  readonly alive: boolean;
  readonly stopped: boolean;
  readonly drained: boolean;
}

/** All that a manager knows now. */
export interface Look {
  readonly name: string;
  /** What is wrong with it. */
  readonly troubles: readonly Trouble[];
  readonly managers: readonly ManagerTold[];
  readonly endpoints: readonly EndpointTold[];
  readonly connections: readonly ConnectionTold[];
}

export interface ConnectionNews {
  readonly kind: 'put' | 'removed' | 'synced';
  readonly connection?: ConnectionTold;
}

export interface ExplainedRequest {
  readonly service: string;
  /** Such as `kernel`. */
  readonly interfaceKind: string;
  /** Network namespace of the client, on the manager's node; '' for none in particular. */
  readonly from: string;
}

export interface ManagerFeed extends Disposable {
  /** Where the manager is asked, for people: a folder, or HOST:PORT. */
  readonly where: string;
  /** Whether it is the manager's own socket, by which changes can be made and packets captured. */
  readonly isLocal: boolean;
  /** @param roundTrips whether to measure them, which sends a packet through each connection. */
  look(roundTrips: boolean, signal: AbortSignal): Promise<Look>;
  /** First all connections, without counters and history, then `synced`, then every change. */
  watch(signal: AbortSignal): AsyncIterable<ConnectionNews>;
  /** What the kernel has of a connection, and how long a packet through it takes. */
  compare(id: string): Promise<Pick<Compared, 'differences' | 'roundTripUs'>>;
  /** What a request would come to. */
  explain(request: ExplainedRequest): Promise<Explanation>;
  /** Writes packets of a connection as pcapng, until the signal aborts. @throws NsmError before anything is written */
  capture(id: string, out: NodeJS.WritableStream, signal: AbortSignal): Promise<void>;
  /** @throws NsmError when it is refused. */
  disconnect(id: string): Promise<void>;
  /** @throws NsmError when it is refused. */
  drain(undo: boolean): Promise<string>;
}

/** Finds the managers to ask. */
export interface MeshSource {
  /** Those that are there from the beginning. */
  readonly feeds: readonly ManagerFeed[];
  /** A feed for another manager that the mesh turns out to have; a text says why there is none. */
  feedOf(manager: ManagerTold): ManagerFeed | string;
}
