// A node from which no packets come back: its clients go to other endpoints where there are any, and else keep what they
// have until packets come back.
import { InterfaceType, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { rankEndpoints } from '../choice/selection.js';
import { fewAtATime } from '../few-at-a-time.js';
import { type Node, surroundings } from '../node.js';
import { declareUp } from '../request/programming.js';
import { type Connection, isInPlace, isKept, phaseOf } from '../state/connection.js';
import { tellOthers } from './closing.js';
import { rebuild } from './healing.js';
import { answerWithinMs, compare, mend } from './mending.js';
import { canMove, move } from './moving.js';

/** So many connections to one node stand for all: they share its fate. */
const samples = 4;
/** So many looks in a row at which nothing came back make a node silent: fewer, and a hiccup of the network moves everybody. */
const looks = 3;
/** Milliseconds until those that nobody could take are offered again: doubles from first to longest. */
const offerAgain = { first: 1000, longest: 10_000 };
/** Milliseconds within which the manager of a silent node may still hear that its half has ended. */
const hearWithin = 1000;

/** Whether packets come back to this node's clients from one other node. Times are monotonic milliseconds. */
export class Silence {
  readonly #node: Node;
  readonly #manager: string;
  #looking = false;
  #unanswered = 0;
  /** Looks in a row at which only those did not answer whose pods something else undoes. */
  #undone = 0;
  #turn = 0;
  #offerAt = 0;
  #pause = 0;

  constructor(node: Node, manager: string) {
    this.#node = node;
    this.#manager = manager;
  }

  /** Sends a packet and waits for the answer, and does what follows from it. Does nothing while the look before is not over. */
  async look(connections: readonly Connection[]): Promise<void> {
    const clients = connections.filter(hasInterface);
    if (this.#looking || clients.length === 0) return;
    this.#looking = true;
    try {
      // Once something did not come back, the next look follows at once.
      do {
        const answered = await this.#answered(clients);
        if (answered === 'yes') return await this.#heard(clients);
        if (answered === 'unknown') return;
        if (answered === 'undone') return await this.#notLeftAlone(clients);
        this.#unanswered++;
      } while (this.#unanswered < looks && !this.#node.stopping.aborted);
      await this.#silent(clients);
    } finally {
      this.#looking = false;
    }
  }

  /**
   * While all is well one is asked, another each time; several when it did not answer, because it may be alone in that.
   */
  async #answered(clients: readonly Connection[]): Promise<Answer> {
    if (this.#unanswered === 0) this.#turn++;
    const first = this.#turn % clients.length;
    const inTurn = [...clients.slice(first), ...clients.slice(0, first)];
    const asked = inTurn.slice(0, this.#unanswered === 0 ? 1 : samples);
    const answers = await Promise.all(asked.map((connection) => answerOf(this.#node, connection)));
    return (['yes', 'no', 'undone'] as const).find((answer) => answers.includes(answer)) ?? 'unknown';
  }

  /** That one is answered says only that the node is there: each of those that wait is tried by itself. */
  async #heard(clients: readonly Connection[]): Promise<void> {
    this.#unanswered = 0;
    this.#undone = 0;
    this.#pause = 0;
    await fewAtATime(clients, ({ id }) => resume(this.#node, id));
  }

  async #silent(clients: readonly Connection[]): Promise<void> {
    const { connections, logger } = this.#node;
    const now = performance.now();
    if (this.#unanswered === looks)
      logger.warn({ manager: this.#manager }, 'no packets come back from the node');
    let offered = clients;
    if (this.#unanswered > looks && now < this.#offerAt) {
      // What was made meanwhile was not offered yet.
      offered = clients.filter(({ id }) => connections.byId(id)?.state.kind === 'UP');
    } else this.#offered(now);
    await fewAtATime(offered, ({ id }) => unanswered(this.#node, id));
  }

  /** Something in their pods undoes them: that says nothing of the node, but another endpoint may serve those better. */
  async #notLeftAlone(clients: readonly Connection[]): Promise<void> {
    this.#undone++;
    const now = performance.now();
    if (this.#undone < looks || now < this.#offerAt) return;
    this.#offered(now);
    await fewAtATime(clients.filter(this.#isUndone), ({ id }) => unanswered(this.#node, id));
  }

  readonly #isUndone = ({ id }: Connection): boolean => isUndone(this.#node, id);

  #offered(now: number): void {
    this.#pause = Math.min(offerAgain.longest, 2 * this.#pause || offerAgain.first);
    this.#offerAt = now + this.#pause;
  }
}

/** `undone`: it did not answer, and something in a pod of its undoes it; `unknown`: it could not be asked. */
type Answer = 'yes' | 'no' | 'undone' | 'unknown';

/** One that waits for packets is up when they come back to it; when they only come back to others, it is made anew. */
async function resume(node: Node, id: string): Promise<void> {
  const waiting = node.connections.byId(id);
  // Nearly always none waits: nobody's turn is waited for then.
  if (!waiting || !isKept(waiting.state)) return;
  await node.mutex.run(waiting.key, async () => {
    const present = node.connections.byId(id);
    if (!present || !isKept(present.state)) return;
    try {
      declareUp(node, await compare(node, present, { answerWithinMs }));
    } catch (thrown) {
      const { kind, message } = NsmError.from(thrown);
      if (kind === 'unavailable' || kind === 'exhausted' || node.stopping.aborted) return;
      // Made anew it would be undone, too.
      if (isUndone(node, id)) return;
      const reason = `packets come back from node ${present.peer?.manager}, but not to it`;
      rebuild(node, present, kind === 'no-packets' ? reason : `${reason}: ${message}`);
    }
  });
}

/** Packets of this client do not come back. */
export async function unanswered(node: Node, id: string): Promise<void> {
  const connection = node.connections.byId(id);
  if (!connection || !hasInterface(connection)) return;
  const { peer, state } = connection;
  const there = state.kind === 'UP' ? state.there : undefined;
  // No other endpoint helps against what happens in the client's own pod.
  if (there === undefined && isUndone(node, id)) return;
  const reason = there ?? `no packets come back from node ${peer?.manager}`;
  const avoid = (other: NetworkServiceEndpoint): boolean =>
    there === undefined
      ? other.networkServiceHost === peer?.manager
      : endpointKey(other) === endpointKeyOf(connection);
  const { current, others } = candidates(node, connection, avoid);
  if (current) node.health.failed(current, reason);
  const attempt = state.kind === 'HEALING' ? state.attempt + 1 : 1;
  let waiting = 'waiting, as no other endpoint can take its client';
  if (others.length > 0) {
    if (!canMove(connection)) return rebuild(node, connection, reason);
    try {
      // Nobody waits for a silent manager: it finds out when it is back.
      await move(node, id, reason, avoid, { tellPeer: false });
      tellOthers(node, connection, reason, { hearWithin }).catch(() => undefined);
      return;
    } catch (thrown) {
      waiting += `: ${NsmError.from(thrown).message}`;
    }
  }
  const present = node.connections.byId(id);
  if (!present || !hasInterface(present)) return;
  // It is told as what it is.
  if (isUndone(node, id)) return;
  if (present.state.kind === 'UP') node.logger.warn({ connection: id, reason }, waiting);
  node.connections.changeState(present, {
    kind: 'HEALING',
    reason: `${reason}; ${waiting}`,
    attempt,
    kept: true,
  });
}

/** A client's that the kernel drives, up or waiting; while it is being made anew there is nothing to ask. */
function hasInterface(connection: Connection): boolean {
  const type = connection.crossConnect.client?.type;
  const driven = type !== InterfaceType.MEM_INTERFACE && type !== InterfaceType.VHOST_INTERFACE;
  return connection.role === 'CLIENT' && driven && isInPlace(connection);
}

/** Whether something else in one of its pods, here or there, undoes a connection again and again. */
export function isUndone(node: Node, id: string): boolean {
  const state = node.connections.byId(id)?.state;
  if (state?.kind === 'UP') return phaseOf(state) === 'STALE';
  return node.mendPace.contested(id).length > 0;
}

/** An interface that is not there, or a forwarder that is away, proves nothing. */
async function answerOf(node: Node, { id, crossConnect }: Connection): Promise<Answer> {
  try {
    const { answered } = await node.forwarder.probe({ crossConnect, timeoutMs: node.probeInterval });
    if (answered) return 'yes';
    return isUndone(node, id) ? 'undone' : 'no';
  } catch (thrown) {
    const { kind, message } = NsmError.from(thrown);
    if (kind === 'dataplane') mend(node, id, message);
    return 'unknown';
  }
}

function candidates(
  node: Node,
  connection: Connection,
  avoid: (endpoint: NetworkServiceEndpoint) => boolean,
): { readonly current: NetworkServiceEndpoint | undefined; readonly others: readonly unknown[] } {
  const { request, service } = connection;
  const wanted = { service, labels: request?.labels, interfaces: request?.interface ?? [] };
  const ranked = rankEndpoints(wanted, surroundings(node, service)).filter(({ usable }) => usable);
  const key = endpointKeyOf(connection);
  return {
    current: node.registry.endpointsOf(service).find((record) => endpointKey(record) === key),
    others: ranked.filter(({ endpoint }) => !avoid(endpoint)),
  };
}

function endpointKeyOf({ service, endpoint: { name, namespace } }: Connection): string {
  return endpointKey({
    networkServiceName: service,
    nseProviderName: name,
    nseProviderNamespace: namespace,
  });
}
