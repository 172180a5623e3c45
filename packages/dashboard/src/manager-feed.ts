// What tells of one manager: the command line makes it of an admin.sock or of a TCP connection, tests of nothing.
import type { ConnectionView } from '@nsm/views/connection-view';
import type { ListedEndpointView } from '@nsm/views/endpoint-view';
import type { ManagerView } from '@nsm/views/manager-view';
import type { Compared, Explanation, Trouble } from './model.js';

/** All that a manager knows now. */
export interface Look {
  readonly name: string;
  /** What is wrong with it. */
  readonly troubles: readonly Trouble[];
  readonly managers: readonly ManagerView[];
  readonly endpoints: readonly ListedEndpointView[];
  readonly connections: readonly ConnectionView[];
}

export interface ConnectionNews {
  readonly kind: 'put' | 'removed' | 'synced';
  readonly connection?: ConnectionView;
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
  feedOf(manager: ManagerView): ManagerFeed | string;
}
