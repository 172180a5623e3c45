// Every part of a manager, made of those before it and of its options. No part has begun to work yet.
import { create } from '@bufbuild/protobuf';
import { LogThrottle, SubjectSchema } from '@nsm/api';
import { ownNamespace } from '@nsm/netlink';
import { Courses } from '@nsm/observe';
import { isSubjectLimit } from '@nsm/policy';
import type { Logger } from 'pino';
import { AddressPools } from '../addresses/address-pools.js';
import { Identifiers } from '../addresses/identifiers.js';
import { Intake } from '../admission/intake.js';
import { NamespaceGuard } from '../admission/namespace-guard.js';
import { Shares } from '../admission/shares.js';
import { Audit } from '../audit/audit.js';
import { logOrders } from '../audit/log-orders.js';
import { EndpointHealth } from '../choice/endpoint-health.js';
import { NarrowWays } from '../choice/narrow-ways.js';
import { TunnelOffers } from '../choice/tunnel-offers.js';
import { monotonicClock } from '../clock.js';
import { ClusterPrefixes } from '../cluster/cluster-prefixes.js';
import { ConnectionActs } from '../connection/acts.js';
import { Reconciler } from '../connection/reconciler.js';
import { timing } from '../connection/timing.js';
import { Advertising } from '../endpoints/advertising.js';
import { Catalogue } from '../endpoints/catalogue.js';
import { LocalEndpoints } from '../endpoints/local-endpoints.js';
import { ServedNames } from '../endpoints/served-names.js';
import type { ManagerOptions } from '../manager-options.js';
import { PeerManagers } from '../peers/peer-managers.js';
import { Gate } from '../policy/gate.js';
import { Subjects } from '../policy/subjects.js';
import type { Readiness } from '../readiness.js';
import type { RequestComponents } from '../request/components.js';
import { establish } from '../request/establish.js';
import { OwnerWatch } from '../request/owner-watch.js';
import { Refusals } from '../request/refusals.js';
import type { Self } from '../self.js';
import type { ServiceComponents } from '../services/components.js';
import { RequestsUnderWay } from '../services/requests-under-way.js';
import type { SignalComponents } from '../signals/components.js';
import { endpointGone, processGone } from '../signals/losses.js';
import { pathFailureOf } from '../signals/path-failure.js';
import { ConnectionTable } from '../state/connection-table.js';
import type { Foundations } from './open-foundations.js';
import type { Stops } from './stops.js';

export interface PartsComponents extends Omit<Foundations, 'nodeId'> {
  readonly self: Self;
  readonly readiness: Readiness;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  /** Resolves when what was there before the last restart has been looked for. */
  readonly recovered: Promise<void>;
}

export function makeParts(
  {
    self,
    store,
    forwarder,
    abilities,
    registry,
    readiness,
    source,
    auditLog,
    logger,
    stopping,
    recovered,
    state,
  }: PartsComponents,
  options: ManagerOptions,
  stops: Stops,
): ServiceComponents {
  const { name } = self;
  const clock = monotonicClock;
  const monotonic = (): number => clock.now();
  const prefixes = byService(options.prefixes, ({ cidr }) => cidr);
  const peers = new PeerManagers(() => registry.managers(), options.credentials);
  stops.add(() => peers.stop());
  const guard = new NamespaceGuard(
    forwarder,
    { allowedUids: options.allowedUids, own: ownNamespace() },
    monotonic,
  );
  const courses = new Courses(monotonic);
  const audit = new Audit(auditLog, name);
  const { pods } = options;
  const subjects = new Subjects({ self, guard, source, pods });
  const shares = new Shares(
    {
      exempts: (holder) => holder.manager === undefined && guard.ownsNode(holder),
      ruledFor: (what, { manager, namespace, ...user }) =>
        source.policy && manager === undefined && isSubjectLimit(what)
          ? source.policy.limitOf(subjects.of(user, namespace ?? { inode: 0, cookie: 0n }), what)
          : undefined,
    },
    options.limits,
  );
  const gate = new Gate({ source, audit });
  const health = new EndpointHealth(monotonic);
  const owners = new OwnerWatch((ids) => processGone(signals, ids));
  stops.add(() => owners.stop());
  const endpoints = new LocalEndpoints({ guard });
  const advertising = new Advertising(
    {
      endpoints,
      registry,
      store,
      guard,
      subjects,
      gate,
      shares,
      forwarder,
      logger,
      onGone: (record, reason) => endpointGone(signals, record, reason),
    },
    { manager: name, prefixes },
  );
  stops.add(() => advertising.stop());
  const connections = new ConnectionTable(store, Date.now);
  const catalogue = new Catalogue({ registry, endpoints, connections, health, abilities, gate, peers }, name);
  const pools = new AddressPools(registry, name);
  const identifiers = new Identifiers();
  const offers = new TunnelOffers(forwarder, options.tunnelAddress ?? '');
  const requestTimeoutMs = options.requestTimeoutMs ?? 10_000;
  const logThrottle = new LogThrottle(monotonic);
  logOrders({ courses, logThrottle, logger });
  const known = {
    self,
    registry,
    connections,
    catalogue,
    health,
    endpoints,
    peers,
    owners,
    servedNames: new ServedNames(connections),
    guard,
    gate,
    subjects,
    logThrottle,
  };
  const making: RequestComponents = {
    ...known,
    forwarder,
    abilities,
    offers,
    pools,
    refusals: new Refusals(store.refusals, Date.now),
    shares,
    prefixes,
    identifiers,
    logger,
    tunnels: byService(options.tunnels, ({ type }) => type),
    ...(options.faults ? { faults: options.faults } : {}),
  };
  const acts = new ConnectionActs({
    ...known,
    forwarder,
    pools,
    identifiers,
    clock,
    logger,
    stopping,
    requestTimeoutMs,
    establish: (admitted, signal) => establish(making, admitted, signal),
    clientOf: (connection) => subjects.again(connection.client ?? create(SubjectSchema)),
    pathFailureOf: (connection) => pathFailureOf(known, connection),
  });
  const reconciler = new Reconciler({
    table: connections,
    acts,
    clock,
    courses,
    logger,
    stopping,
    ...(options.mendPauses ? { mendPauses: options.mendPauses } : {}),
  });
  const signals: SignalComponents = {
    ...known,
    readiness,
    source,
    audit,
    abilities,
    advertising,
    reconciler,
    forwarder,
    offers,
    clock,
    logger,
    stopping,
    underlayListeners: new Set(),
    narrowWays: new NarrowWays(),
    cluster: new ClusterPrefixes(options.clusterPrefixes ?? [], options.clusterNetworks),
    probeIntervalMs: options.probeIntervalMs ?? 500,
    orphanedMs: options.orphanedMs ?? timing.orphanedMs,
  };
  const { credentials } = options;
  return {
    ...making,
    ...signals,
    auditLog,
    courses,
    credentials,
    pods,
    intake: new Intake({ logger }),
    underWay: new RequestsUnderWay(),
    places: { ...options, state: state.path },
    requestTimeoutMs,
    recovered,
  };
}

/** Settings by network service; under '' those for services without their own. */
function byService<Setting extends { readonly service?: string }, Value>(
  settings: readonly Setting[],
  read: (setting: Setting) => Value,
): ReadonlyMap<string, readonly Value[]> {
  const map = new Map<string, Value[]>();
  for (const setting of settings) {
    const { service = '' } = setting;
    map.set(service, [...(map.get(service) ?? []), read(setting)]);
  }
  return map;
}
