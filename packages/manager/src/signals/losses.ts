// What a connection stands on is lost: a process, a network namespace, an endpoint, room in the underlay.
import { type forwarder as fw, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { type HealCause, noteLoss } from '../connection/facts.js';
import { removeOrphanedInterfaces } from '../connection/orphaned-interfaces.js';
import { timing } from '../connection/timing.js';
import { type Connection, isClosed, isDetached, isInPlace } from '../state/connection.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import { tellPrefixes } from './cluster-changes.js';
import { compareSoon } from './comparing.js';
import type { SignalComponents } from './components.js';
import { isServedBy } from './leaving.js';

/** Marks a connection as lost, unless it was lost before. */
export function lose(
  reconciler: SignalComponents['reconciler'],
  { id, phase }: Pick<Connection, 'id' | 'phase'>,
  cause: HealCause,
  reason: string,
): void {
  if (isDetached(phase)) return;
  void reconciler.mark(id, (facts) => {
    noteLoss(facts, cause, reason);
  });
}

/** Listens to the forwarder until the manager stops; a forwarder that was away is told again what is wanted. */
export async function watchForwarder(components: SignalComponents): Promise<void> {
  const { forwarder, abilities, offers, stopping, logger, clock } = components;
  const { readiness } = components;
  let away = false;
  for (let first = true; !stopping.aborted; first = false) {
    try {
      if (!first) {
        await abilities.learn();
        await tellPrefixes(components);
        forwarderIsBack(components);
      }
      const events = forwarder.watch({}, { signal: stopping });
      offers.listen(true);
      readiness.have('forwarder');
      for await (const { event } of events) {
        away = false;
        if (event.case === 'namespaceGone') namespaceGone(components, event.value);
        else if (event.case === 'offersChanged') underlayChanged(components);
        else if (event.case === 'interfaceChanged')
          void compareSoon(components.reconciler, event.value, 'its interface was changed by someone else');
      }
    } catch (error) {
      if (stopping.aborted) return;
      if (!away) logger.error({ err: error }, 'the forwarder does not answer');
      readiness.lack('forwarder', NsmError.from(error).message);
      away = true;
    }
    offers.listen(false);
    await clock.sleep(timing.callForwarderAgainMs, stopping);
  }
}

/** A forwarder that was away left work unfinished, and heard nothing of what it was told meanwhile. */
function forwarderIsBack(components: SignalComponents): void {
  for (const connection of components.connections.values()) {
    if (isClosed(connection)) tryAgainNow(components.reconciler, connection.id);
    else void compareSoon(components.reconciler, connection.id, 'the forwarder was away');
  }
  removeOrphanedInterfaces(components).catch((error: unknown) =>
    components.logger.warn({ err: error }, 'what belongs to no connection was not removed'),
  );
}

/** A step that failed before is tried again without waiting. */
export function tryAgainNow(reconciler: SignalComponents['reconciler'], id: string): void {
  void reconciler.mark(id, (facts) => {
    facts.retryAtMs = 0;
  });
}

/** Connections whose packets no longer fit through the underlay are made anew, with the MTU that does. */
function underlayChanged(components: SignalComponents): void {
  components.offers.forget();
  for (const told of components.underlayListeners) told();
  for (const connection of components.connections.values()) {
    const { client, endpoint, tunnel } = connection.crossConnect;
    const mtu = (client ?? endpoint)?.mtu ?? 0;
    if (!tunnel || !isInPlace(connection)) continue;
    const offered = components.offers.to(tunnel.remote);
    offered.then(
      ({ tunnels }) => {
        const fits = tunnels.find(({ type }) => type === tunnel.type)?.parameters?.mtu ?? mtu;
        if (fits < mtu)
          lose(
            components.reconciler,
            connection,
            'underlay',
            `the underlay carries ${fits} bytes of the pod only, not ${mtu}`,
          );
      },
      // Without a route packets do not come back, which is noticed as such.
      () => undefined,
    );
  }
}

/** The process that connections were bound to has ended. */
export function processGone(
  { reconciler }: Pick<SignalComponents, 'reconciler'>,
  ids: readonly string[],
): void {
  for (const id of ids) reconciler.end(id, 'the process that asked for it has ended');
}

/** An endpoint of this node has died or was removed: its clients, here and on other nodes, are connected elsewhere. */
export function endpointGone(
  { health, connections, reconciler }: Pick<SignalComponents, 'health' | 'connections' | 'reconciler'>,
  record: NetworkServiceEndpoint,
  reason: string,
): void {
  health.forget(record);
  for (const connection of connections.values()) {
    if (isServedBy(connection, record))
      lose(reconciler, connection, 'endpoint', `endpoint ${record.nseProviderName} is gone: ${reason}`);
  }
}

function namespaceGone(components: SignalComponents, gone: fw.Namespace): void {
  components.guard.forget(gone.inode);
  for (const connection of components.connections.values()) {
    const { client, endpoint } = connection.crossConnect;
    if (isSameNamespace(client?.namespace, gone))
      components.reconciler.end(connection.id, 'the network namespace of the client is gone');
    else if (isSameNamespace(endpoint?.namespace, gone))
      lose(components.reconciler, connection, 'endpoint', 'the network namespace of the endpoint is gone');
  }
}
