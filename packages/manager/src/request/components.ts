// What making a connection uses, from the first word of a request to the kernel.
import type { LogThrottle, TunnelType } from '@nsm/api';
import type { Logger } from 'pino';
import type { AddressPools } from '../addresses/address-pools.js';
import type { ConfiguredPrefixes } from '../addresses/allocation.js';
import type { Identifiers } from '../addresses/identifiers.js';
import type { Shares } from '../admission/shares.js';
import type { Abilities } from '../choice/abilities.js';
import type { EndpointHealth } from '../choice/endpoint-health.js';
import type { TunnelOffers } from '../choice/tunnel-offers.js';
import type { Catalogue } from '../endpoints/catalogue.js';
import type { LocalEndpoints } from '../endpoints/local-endpoints.js';
import type { ServedNames } from '../endpoints/served-names.js';
import type { Forwarder } from '../forwarder-client.js';
import type { LifelinesComponents } from '../lifelines/lifelines.js';
import type { PeerManagers } from '../peers/peer-managers.js';
import type { Gate } from '../policy/gate.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { OwnerWatch } from './owner-watch.js';
import type { Refusals } from './refusals.js';
import type { FaultInjector } from './transaction.js';

export interface RequestComponents extends LifelinesComponents {
  readonly catalogue: Catalogue;
  readonly gate: Gate;
  readonly health: EndpointHealth;
  readonly endpoints: LocalEndpoints;
  readonly peers: PeerManagers;
  readonly owners: OwnerWatch;
  readonly servedNames: ServedNames;
  readonly forwarder: Forwarder;
  readonly abilities: Pick<Abilities, 'wirings' | 'missingCapabilities' | 'physical'>;
  readonly offers: TunnelOffers;
  /**
   * The only tunnel types to use by network service, in order of preference; under '' those for services without their own.
   * Without either: whatever the forwarder can do, in its order.
   */
  readonly tunnels: ReadonlyMap<string, readonly TunnelType[]>;
  readonly pools: AddressPools;
  readonly shares: Shares;
  readonly prefixes: ConfiguredPrefixes;
  readonly identifiers: Identifiers;
  readonly connections: ConnectionTable;
  readonly refusals: Refusals;
  readonly logThrottle: LogThrottle;
  readonly logger: Logger;
  readonly faults?: FaultInjector;
}
