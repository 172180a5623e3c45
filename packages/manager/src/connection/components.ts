// What the steps of a connection's life use.
import type { LogThrottle, Subject } from '@nsm/api';
import type { Course } from '@nsm/observe';
import type { Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import type { AddressPools } from '../addresses/address-pools.js';
import type { Identifiers } from '../addresses/identifiers.js';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import type { Clock } from '../clock.js';
import type { LocalEndpoints } from '../endpoints/local-endpoints.js';
import type { ServedNames } from '../endpoints/served-names.js';
import type { Forwarder } from '../forwarder-client.js';
import type { PeerManagers } from '../peers/peer-managers.js';
import type { Admitted } from '../request/attempt.js';
import type { OwnerWatch } from '../request/owner-watch.js';
import type { Self } from '../self.js';
import type { Connection } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { PathFailure } from './facts.js';

export interface ActsComponents {
  readonly self: Self;
  readonly connections: ConnectionTable;
  readonly forwarder: Pick<Forwarder, 'apply' | 'remove' | 'inspectNamespace'>;
  readonly registry: Pick<Registry, 'managers'>;
  readonly endpoints: Pick<LocalEndpoints, 'close'>;
  readonly peers: Pick<PeerManagers, 'close'>;
  readonly guard: Pick<NamespaceGuard, 'forget'>;
  readonly pools: AddressPools;
  readonly identifiers: Pick<Identifiers, 'release'>;
  readonly owners: Pick<OwnerWatch, 'letGo'>;
  readonly servedNames: ServedNames;
  readonly logThrottle: LogThrottle;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  /** Makes a connection at some endpoint, until packets go through it. @throws NsmError when none can be connected now. */
  readonly establish: (admitted: Admitted, signal: AbortSignal) => Promise<Connection>;
  /** Who the client of this node is, to the policy that is in force now. */
  readonly clientOf: (connection: Connection) => Subject;
  /** The consequence for a client when no packets come back; undefined when the connection's record tells the cause already. */
  readonly pathFailureOf: (connection: Connection) => PathFailure | undefined;
  /** Milliseconds an attempt to connect a client again may take. */
  readonly requestTimeoutMs: number;
}

/** What goes with a step or an order while it is worked on. */
export interface Work {
  /** Aborts when the work is pointless: its connection is to be closed, or the manager stops. */
  readonly signal: AbortSignal;
  /** What metrics, traces and `nsm describe` tell of the work. */
  readonly course: Course;
}
