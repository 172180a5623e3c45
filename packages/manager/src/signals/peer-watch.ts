// Watches over the other ends of connections: the managers there, and whether packets come back. A manager that does not
// answer does no harm while packets come back.
import { NsmError } from '@nsm/api';
import { timing } from '../connection/timing.js';
import type { Peer } from '../peers/peer-managers.js';
import { type Connection, isClosed, isInPlace } from '../state/connection.js';
import type { SignalComponents } from './components.js';
import { lose } from './losses.js';
import { Orphans } from './orphans.js';
import { SizeProbe } from './packet-sizes.js';
import { PathProbe } from './path-probe.js';
import { hearTroubled } from './undone-there.js';

/** Watches until the manager stops. */
export async function watchPeers(components: SignalComponents): Promise<void> {
  await Promise.all([
    watch(components, timing.callAgainMs, (manager) => new PeerWatch(components, manager)),
    watch(
      components,
      components.probeIntervalMs,
      (manager) => new PathProbe(components, manager),
      canBeAsked,
    ),
    watch(components, components.probeIntervalMs, () => new SizeProbe(components), canBeAsked),
  ]);
}

/** Checks all connections that this manager shares with another manager. */
interface Watch {
  /** Called again when the look before is over. */
  look(connections: readonly Connection[]): Promise<void>;
  /** Nothing is shared with that manager any more. */
  [Symbol.dispose]?(): void;
}

async function watch(
  components: SignalComponents,
  intervalMs: number,
  begin: (manager: string) => Watch,
  concerns: (connection: Connection) => boolean = () => true,
): Promise<void> {
  const watches = new Map<string, Watch>();
  const looking = new Set<Watch>();
  while (!components.stopping.aborted) {
    await components.clock.sleep(intervalMs, components.stopping);
    const shared = sharedByManager(components, concerns);
    for (const [manager, former] of watches) {
      if (shared.has(manager)) continue;
      watches.delete(manager);
      former[Symbol.dispose]?.();
    }
    for (const [manager, connections] of shared) {
      const present = watches.get(manager) ?? begin(manager);
      watches.set(manager, present);
      if (looking.has(present)) continue;
      looking.add(present);
      void present.look(connections).finally(() => looking.delete(present));
    }
  }
}

/** Connections whose other half is elsewhere. Of managers that know only the specification, the halves that were made for them. */
function sharedByManager(
  components: SignalComponents,
  concerns: (connection: Connection) => boolean,
): Map<string, Connection[]> {
  const shared = new Map<string, Connection[]>();
  for (const connection of components.connections.values()) {
    const { peer, phase, role } = connection;
    const held = !isClosed(connection) && phase.kind !== 'CONNECTING';
    if (!held || !peer || !concerns(connection)) continue;
    if (role !== 'ENDPOINT' && !canBeAsked(connection)) continue;
    const present = shared.get(peer.manager);
    if (present) present.push(connection);
    else shared.set(peer.manager, [connection]);
  }
  return shared;
}

/** A manager that knows only the specification names no connection that it could be asked about. */
function canBeAsked({ peer }: Connection): boolean {
  return peer !== undefined && peer.manager !== '' && peer.connectionId !== '';
}

/** What is known of another manager. Times are monotonic milliseconds, so that a clock that jumps changes nothing. */
class PeerWatch implements Watch {
  readonly #components: SignalComponents;
  readonly #manager: string;
  readonly #orphans: Orphans;
  #missed = 0;
  #incarnation = '';
  #comparedAt = Number.NEGATIVE_INFINITY;

  constructor(components: SignalComponents, manager: string) {
    this.#components = components;
    this.#manager = manager;
    this.#orphans = new Orphans(components);
  }

  async look(connections: readonly Connection[]): Promise<void> {
    const asked = connections.filter(canBeAsked);
    const peer = asked[0]?.peer;
    if (!peer || !(await this.#answers(peer, asked))) await this.#orphans.look(this.#manager, connections);
  }

  /** Nothing is shared with it any more. */
  [Symbol.dispose](): void {
    this.#components.peers.silent.delete(this.#manager);
  }

  /** Compares with the other manager. @returns false when it has not answered several times in a row. */
  async #answers(peer: Peer, connections: readonly Connection[]): Promise<boolean> {
    try {
      await this.#compare(peer, connections);
      if (this.#missed >= timing.callsUntilSilent)
        this.#components.logger.info({ peer: peer.manager }, 'the manager answers again');
      this.#heard();
      return true;
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (this.#components.stopping.aborted) return true;
      if (error.kind !== 'unimplemented') return !this.#isSilent(connections, error);
      this.#heard();
      return true;
    }
  }

  async #compare(peer: Peer, connections: readonly Connection[]): Promise<void> {
    const { peers, self } = this.#components;
    const age = this.#components.clock.now() - this.#comparedAt;
    // A manager that did not answer has not heard what it was to be told meanwhile.
    const due = age > timing.compareWithPeerMs || this.#missed > 0;
    // A connection that is being made anew has no other half yet.
    const held = connections.filter(isInPlace);
    const shared = held.map((connection) => ({
      connectionId: connection.peer?.connectionId ?? '',
      tunnelIdentifier: connection.tunnel?.identifier ?? 0,
      halfId: connection.halfId ?? '',
    }));
    const ask = (asked: typeof shared) => peers.check(peer, self.name, asked, timing.callAnswerMs);
    const first = await ask(due ? shared : []);
    hearTroubled(this.#components, held, first.troubled);
    const restarted = first.incarnation !== this.#incarnation;
    if (!due && !restarted) return;
    const { incarnation, unknownConnectionIds, pendingConnectionIds, ended } = due
      ? first
      : await ask(shared);
    this.#incarnation = incarnation;
    // A half that is being asked for may end up at another endpoint.
    this.#comparedAt =
      pendingConnectionIds.length > 0 ? Number.NEGATIVE_INFINITY : this.#components.clock.now();
    const reasons = new Map(ended.map(({ connectionId, reason }) => [connectionId, reason]));
    this.#part(held, new Set(unknownConnectionIds), reasons);
  }

  /**
   * The other manager does not have these connections: it was set up anew, or its half ended without this manager hearing of it.
   * @param ended by id, why a half was ended.
   */
  #part(
    connections: readonly Connection[],
    unknown: ReadonlySet<string>,
    ended: ReadonlyMap<string, string>,
  ): void {
    for (const connection of connections) {
      const { id, role, peer, tunnel } = connection;
      const present = this.#components.connections.byId(id);
      if (!peer || !present || !unknown.has(peer.connectionId)) continue;
      const reason = ended.get(peer.connectionId) ?? `manager ${peer.manager} does not have it any more`;
      // A connection that was made anew since the question has another tunnel: the answer is not about it.
      const asked = (current: Connection): boolean => current.tunnel?.identifier === tunnel?.identifier;
      if (role === 'ENDPOINT' || ended.has(peer.connectionId))
        this.#components.reconciler.end(id, reason, { tell: 'nobody', concerns: asked });
      else if (asked(present)) lose(this.#components.reconciler, present, 'manager', reason);
    }
  }

  #heard(): void {
    this.#missed = 0;
    this.#components.peers.silent.delete(this.#manager);
    this.#orphans.forget();
  }

  /** After a call that was not answered. */
  #isSilent(connections: readonly Connection[], error: NsmError): boolean {
    this.#missed++;
    if (this.#missed < timing.callsUntilSilent) return false;
    this.#components.peers.silent.add(this.#manager);
    // The troubles that this manager told of explain missing packets no longer.
    hearTroubled(this.#components, connections, []);
    if (this.#missed === timing.callsUntilSilent)
      this.#components.logger.warn({ peer: this.#manager, err: error }, 'the manager does not answer');
    return true;
  }
}
