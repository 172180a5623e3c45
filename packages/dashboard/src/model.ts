// What the page knows of a mesh: made by the server from what managers tell, sent as JSON, and shown.

import type { NarrowView, OrderView, PastStateView, SideView, TunnelView } from '@nsm/views/connection-view';
import type { ListedEndpointView } from '@nsm/views/endpoint-view';
import type { ExplainedView, ProblemView } from '@nsm/views/explanation-view';

/** A manager and its node. */
export interface MeshNode {
  readonly kind: 'node';
  /** Its name. */
  readonly id: string;
  readonly address: string;
  readonly version: string;
  /** `mtls`, or `insecure`; '' where it is not known. */
  readonly security: string;
  /** GONE: it ended without a word. */
  readonly state: 'ALIVE' | 'DRAINED' | 'STOPPED' | 'GONE';
  /** Why nothing is known of its connections; '' where it is asked, and answers. */
  readonly unseen: string;
  /** What is wrong with it. */
  readonly troubles: readonly Trouble[];
}

export interface Trouble {
  readonly what: string;
  /** A command, or what to change. */
  readonly toDo: string;
}

/** What an endpoint provides under one name. */
export interface MeshEndpoint extends Omit<ListedEndpointView, 'manager' | 'socket'> {
  readonly kind: 'endpoint';
  readonly id: string;
  /** Name of its manager. */
  readonly node: string;
}

/** UNKNOWN: its manager does not answer. */
export const connectionStates = [
  'FAILED',
  'STALE',
  'HEALING',
  'CONNECTING',
  'CLOSING',
  'UNKNOWN',
  'SYNCED',
] as const;
export type ConnectionState = (typeof connectionStates)[number];

/** Whether packets pass a connection, as far as anybody knows. */
export function carries(state: ConnectionState): boolean {
  return state === 'SYNCED' || state === 'STALE';
}

/** A connection: both halves of it, where it is between nodes and both managers are asked. */
export interface MeshConnection {
  readonly kind: 'connection';
  /** That of the client's half where that is known. */
  readonly id: string;
  readonly service: string;
  readonly requestId: string;
  /** The worse of its halves. */
  readonly state: ConnectionState;
  readonly detail: string;
  /** ISO 8601: when it entered its state. */
  readonly since: string;
  readonly attempt: number;
  readonly interface: string;
  readonly client: Side;
  readonly endpoint: Side & { readonly name: string; readonly namespace: string };
  readonly tunnel: TunnelView | null;
  /** What either half knows of it. */
  readonly narrow: NarrowView | null;
  readonly halves: readonly { readonly id: string; readonly node: string; readonly state: ConnectionState }[];
  /** States that it was in, the latest last. */
  readonly history: readonly PastState[];
  /** The last thing that was done to it; null where that is not told. */
  readonly lastOrder: OrderView | null;
  /** Microseconds that a packet takes to the endpoint and back; null where that is not known, or none gets there. */
  readonly roundTripUs: number | null;
  /** Times that it was healed. */
  readonly heals: number;
}

export interface Side extends Omit<SideView, 'namespace' | 'dns'> {
  /** Name of its manager. */
  readonly node: string;
  /** Its network namespace: a path or `net:[INODE]`; '' where its manager is not asked. */
  readonly netns: string;
}

export interface PastState extends Pick<PastStateView, 'state' | 'detail'> {
  /** ISO 8601. */
  readonly time: string;
}

export type Thing = MeshNode | MeshEndpoint | MeshConnection;

/** `connection/node-a:1`. */
export function keyOf({ kind, id }: Pick<Thing, 'kind' | 'id'>): string {
  return `${kind}/${id}`;
}

/** A line of the time line. */
export interface Change {
  /** Ascending in the order in which changes were noticed. */
  readonly id: number;
  /** ISO 8601. */
  readonly time: string;
  /** Of what it is about, as `keyOf` says. */
  readonly about: string;
  /** In words, such as `healed`. */
  readonly what: string;
  /** Which connection, endpoint or node, in words. */
  readonly who: string;
  readonly detail: string;
  readonly state: ConnectionState;
}

/** What there is of a mesh at one moment. */
export interface Snapshot {
  readonly things: readonly Thing[];
  /** The latest last. */
  readonly changes: readonly Change[];
  /** Managers of whom nothing is known, not even a name, and why. */
  readonly troubles: readonly string[];
  /** Whether this server closes connections and drains nodes when it is asked to. */
  readonly allowChanges: boolean;
  /** Whether it gives packets of connections away. */
  readonly allowCapture: boolean;
}

/** What is different from a moment ago. */
export interface Patch {
  readonly put: readonly Thing[];
  /** Keys of what is there no longer. */
  readonly gone: readonly string[];
  readonly changes: readonly Change[];
}

/** Counters of one connection, since it was made: as its client receives and sends. */
export interface Counters {
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly drops: number;
  /** Of drops whose reason is known, the reasons. */
  readonly reasons?: Readonly<Record<string, number>>;
}

/** Counters of all connections at one moment. */
export interface Sample {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** By the id of the connection. */
  readonly counters: Readonly<Record<string, Counters>>;
}

/** What the kernel of one node has of a connection. */
export interface Compared {
  /** Name of the manager. */
  readonly node: string;
  /** What it has other than is wanted; none: all is as wanted. */
  readonly differences: readonly string[];
  /** Why it could not be looked at; '' when it was. */
  readonly error: string;
  /** Microseconds until the other side answered just now; null where it did not, or there is nothing to ask. */
  readonly roundTripUs: number | null;
}

/** What a request would come to. */
export interface Explanation {
  /** What is in the way of it, whichever endpoint is chosen. */
  readonly problems: readonly Pick<ProblemView, 'code' | 'what'>[];
  readonly candidates: readonly ExplainedView[];
}
