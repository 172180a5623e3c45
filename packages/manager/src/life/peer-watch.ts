// Watches over the other ends of connections: the managers there, and whether packets come back. A manager that is silent
// does no harm while they do.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import type { Peer } from '../others/peer-managers.js';
import { type Connection, isInPlace } from '../state/connection.js';
import { closeSoon } from './closing.js';
import { rebuild } from './healing.js';
import { Silence } from './silence.js';
import { hearTroubled } from './undone-there.js';

/** Milliseconds between two calls of one manager. */
const callAgain = 500;
/** Milliseconds within which it must answer. */
const answerWithin = 1000;
/** So many calls in a row without an answer make a manager silent. */
const misses = 2;
/** Milliseconds after which all connections are compared with the other manager's again, though it did not restart. */
const compareAgain = 30_000;
/** Milliseconds of silence after which the endpoint's half of a connection is taken for an orphan. */
const orphaned = 300_000;

/** Watches until the manager stops. */
export async function watchPeers(node: Node): Promise<void> {
  await Promise.all([
    watch(node, callAgain, () => new PeerWatch(node)),
    watch(node, node.probeInterval, (manager) => new Silence(node, manager)),
  ]);
}

/** Something that looks at all connections that this manager shares with one other. */
interface Watch {
  look(connections: readonly Connection[]): Promise<void>;
}

async function watch(node: Node, interval: number, begin: (manager: string) => Watch): Promise<void> {
  const watches = new Map<string, Watch>();
  while (!node.stopping.aborted) {
    await sleep(interval, undefined, { signal: node.stopping, ref: false }).catch(() => undefined);
    const shared = sharedByManager(node);
    for (const manager of watches.keys()) if (!shared.has(manager)) watches.delete(manager);
    for (const [manager, connections] of shared) {
      const present = watches.get(manager) ?? begin(manager);
      watches.set(manager, present);
      void present.look(connections);
    }
  }
}

/** Connections whose other half is elsewhere. Managers that know only the specification name none, and are left out. */
function sharedByManager(node: Node): Map<string, Connection[]> {
  const shared = new Map<string, Connection[]>();
  for (const connection of node.connections.values()) {
    const { peer, state } = connection;
    const held = state.kind === 'UP' || state.kind === 'HEALING';
    if (!held || !peer?.address || peer.connectionId === '') continue;
    const present = shared.get(peer.manager);
    if (present) present.push(connection);
    else shared.set(peer.manager, [connection]);
  }
  return shared;
}

/** What is known of one other manager. Times are monotonic milliseconds, so that a clock that jumps changes nothing. */
class PeerWatch implements Watch {
  readonly #node: Node;
  #looking = false;
  #missed = 0;
  #silentSince = 0;
  #incarnation = '';
  #comparedAt = Number.NEGATIVE_INFINITY;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Does nothing while the look before is not over. */
  async look(connections: readonly Connection[]): Promise<void> {
    const peer = connections[0]?.peer;
    if (this.#looking || !peer) return;
    this.#looking = true;
    try {
      await this.#compare(peer, connections);
      if (this.#missed >= misses)
        this.#node.logger.info({ manager: peer.manager }, 'the manager answers again');
      this.#missed = 0;
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (error.kind !== 'unimplemented' && !this.#node.stopping.aborted)
        this.#unheard(peer, connections, error);
    } finally {
      this.#looking = false;
    }
  }

  async #compare(peer: Peer, connections: readonly Connection[]): Promise<void> {
    const { peers, name } = this.#node;
    const age = performance.now() - this.#comparedAt;
    // What it was to be told while it did not answer, it has not heard.
    const due = age > compareAgain || this.#missed > 0;
    // One that is being made anew is in nobody's hands.
    const held = connections.filter(isInPlace);
    const shared = held.map((connection) => ({
      connectionId: connection.peer?.connectionId ?? '',
      tunnelIdentifier: connection.tunnel?.identifier ?? 0,
    }));
    const ask = (asked: typeof shared) =>
      peers.check(peer, { managerName: name, connections: asked }, answerWithin);
    const first = await ask(due ? shared : []);
    hearTroubled(this.#node, held, first.troubled);
    const restarted = first.incarnation !== this.#incarnation;
    if (!due && !restarted) return;
    const { incarnation, unknownConnectionIds, pendingConnectionIds, ended } = due
      ? first
      : await ask(shared);
    this.#incarnation = incarnation;
    // What is being asked for may end up elsewhere.
    this.#comparedAt = pendingConnectionIds.length > 0 ? Number.NEGATIVE_INFINITY : performance.now();
    const reasons = new Map(ended.map(({ connectionId, reason }) => [connectionId, reason]));
    this.#part(held, new Set(unknownConnectionIds), reasons);
  }

  /**
   * The other manager does not have these: it was set up anew, or its half ended without this one hearing of it.
   * @param ended why those ended that were to end.
   */
  #part(
    connections: readonly Connection[],
    unknown: ReadonlySet<string>,
    ended: ReadonlyMap<string, string>,
  ): void {
    for (const connection of connections) {
      const { id, role, peer, tunnel } = connection;
      const present = this.#node.connections.byId(id);
      if (!peer || !present || !unknown.has(peer.connectionId)) continue;
      const reason = ended.get(peer.connectionId) ?? `manager ${peer.manager} does not have it any more`;
      // One that was made anew since the question is another's: the answer is not about it.
      const asked = (current: Connection): boolean => current.tunnel?.identifier === tunnel?.identifier;
      if (role === 'ENDPOINT' || ended.has(peer.connectionId))
        closeSoon(this.#node, id, reason, { tellPeer: false, onlyIf: asked });
      else if (asked(present)) rebuild(this.#node, present, reason);
    }
  }

  #unheard({ manager }: Peer, connections: readonly Connection[], error: NsmError): void {
    const now = performance.now();
    this.#missed++;
    if (this.#missed === 1) this.#silentSince = now;
    if (this.#missed < misses) return;
    // What it told of is no excuse any more for packets that do not come back.
    hearTroubled(this.#node, connections, []);
    if (this.#missed === misses)
      this.#node.logger.warn({ manager, err: error }, 'the manager does not answer');
    if (now - this.#silentSince < orphaned || this.#node.registry.managers().get(manager)?.alive) return;
    for (const { id, role } of connections)
      if (role === 'ENDPOINT') closeSoon(this.#node, id, `manager ${manager} is gone`, { tellPeer: false });
  }
}
