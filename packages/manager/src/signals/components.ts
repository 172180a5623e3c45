// What the signals use: those who listen to what happens, and mark connections with it.
import type { LogThrottle } from '@nsm/api';
import type { Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import type { Audit } from '../audit/audit.js';
import type { Abilities } from '../choice/abilities.js';
import type { EndpointHealth } from '../choice/endpoint-health.js';
import type { NarrowWays } from '../choice/narrow-ways.js';
import type { TunnelOffers } from '../choice/tunnel-offers.js';
import type { Clock } from '../clock.js';
import type { ClusterPrefixes } from '../cluster/cluster-prefixes.js';
import type { Reconciler } from '../connection/reconciler.js';
import type { Advertising } from '../endpoints/advertising.js';
import type { Catalogue } from '../endpoints/catalogue.js';
import type { LocalEndpoints } from '../endpoints/local-endpoints.js';
import type { Forwarder } from '../forwarder-client.js';
import type { LookingAgain } from '../keep-looking.js';
import type { PeerManagers } from '../peers/peer-managers.js';
import type { Gate } from '../policy/gate.js';
import type { PolicySource } from '../policy/policy-source.js';
import type { Subjects } from '../policy/subjects.js';
import type { Readiness } from '../readiness.js';
import type { Self } from '../self.js';
import type { ConnectionTable } from '../state/connection-table.js';

export interface SignalComponents extends LookingAgain {
  readonly self: Self;
  readonly reconciler: Reconciler;
  readonly connections: ConnectionTable;
  readonly forwarder: Forwarder;
  readonly abilities: Abilities;
  readonly cluster: ClusterPrefixes;
  readonly registry: Registry;
  readonly readiness: Readiness;
  readonly catalogue: Catalogue;
  readonly health: EndpointHealth;
  readonly endpoints: LocalEndpoints;
  readonly advertising: Advertising;
  readonly peers: PeerManagers;
  readonly guard: NamespaceGuard;
  readonly gate: Gate;
  readonly subjects: Subjects;
  readonly source: PolicySource;
  readonly audit: Audit;
  readonly offers: TunnelOffers;
  readonly narrowWays: NarrowWays;
  readonly clock: Clock;
  readonly logThrottle: LogThrottle;
  readonly logger: Logger;
  /** Milliseconds between two looks at whether packets come back from each other node. */
  readonly probeIntervalMs: number;
  /** Milliseconds without an answer from a client and its manager, after which the endpoint's half is taken for an orphan. */
  readonly orphanedMs: number;
}
