// Counts what the manager does, and reads its present state at each request for the metrics.
import type { Counting, Course, Meters } from '@nsm/observe';
import { needs } from '../readiness.js';
import type { ServiceComponents } from '../services/components.js';
import { stateOf } from '../state/connection.js';
import type { Store } from '../state/store.js';
import { managerMetrics } from './manager-metrics.js';
import { ServiceTraffic } from './service-traffic.js';

type ManagerMeters = Meters<typeof managerMetrics>;

export const countManager =
  (components: ServiceComponents, store: Store): Counting =>
  (counted) => {
    const meters = counted.meters(managerMetrics);
    components.courses.onEnd((course) => count(course, meters));
    const traffic = new ServiceTraffic(components, meters);
    store.onWrite((tookMs, failed) =>
      meters.storeTime.observe({ result: failed ? 'failed' : 'written' }, tookMs / 1000),
    );
    counted.beforeEach(() => traffic.read());
    counted.beforeEach(() => readState(components, meters));
    counted.beforeEach(() => readLimits(components, meters));
  };

function count(course: Course, meters: ManagerMeters): void {
  const { kind, error, subject } = course;
  const { by = '', cause = '' } = subject;
  const seconds = course.durationMs / 1000;
  const result = resultOf(course);
  if (kind === 'connect') meters.requests.inc({ by, result, code: error?.code ?? '' });
  if (kind === 'heal') {
    meters.heals.inc({ cause, result });
    if (!error) meters.healTime.observe({ cause }, seconds);
  }
  meters.orderTime.observe({ kind, result }, seconds);
  // What others say of their steps is theirs to count.
  for (const { name, component, manager, durationMs = 0 } of course.list)
    if (manager === '' && component !== 'endpoint')
      meters.stepTime.observe({ component: component || 'manager', step: name }, durationMs / 1000);
}

function resultOf({ error }: Course): 'accepted' | 'refused' | 'failed' {
  if (!error) return 'accepted';
  return error.kind === 'internal' || error.kind === 'cancelled' ? 'failed' : 'refused';
}

async function readState(components: ServiceComponents, meters: ManagerMeters): Promise<void> {
  const { connections, registry, self, readiness, credentials } = components;
  meters.connections.reset();
  for (const connection of connections.values())
    meters.connections.inc({ state: stateOf(connection), role: connection.role });
  meters.requestsWaiting.set(components.intake.waiting);
  meters.endpoints.set(components.endpoints.size);
  meters.narrowWays.set(components.narrowWays.size);
  meters.addressPairs.set(components.pools.size);
  meters.tunnelIdentifiers.set(components.identifiers.size);
  meters.registrySynced.set(registry.synced ? 1 : 0);
  const others = [...registry.managers().values()].filter(({ name }) => name !== self.name);
  const alive = others.filter((other) => other.alive).length;
  meters.peers.set({ alive: 'yes' }, alive);
  meters.peers.set({ alive: 'no' }, others.length - alive);
  meters.policyError.set(components.source.error === '' ? 0 : 1);
  meters.auditLost.reset();
  meters.auditLost.inc(components.auditLog?.lost ?? 0);
  if (credentials) meters.certificateEnd.set(credentials.validUntil.getTime() / 1000);
  const missing = await readiness.missing();
  for (const need of needs) meters.ready.set({ need }, missing.has(need) ? 0 : 1);
}

async function readLimits({ forwarder, shares }: ServiceComponents, meters: ManagerMeters): Promise<void> {
  const memory = await forwarder.getCapabilities({}).then(
    (capabilities) => capabilities.memory,
    () => undefined,
  );
  meters.limitRefused.reset();
  for (const { name: limit, limit: may, most, refused } of shares.uses(memory)) {
    meters.limit.set({ limit }, may);
    meters.limitMost.set({ limit }, most);
    meters.limitRefused.inc({ limit }, refused);
  }
}
