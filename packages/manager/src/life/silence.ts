// A node from which no packets come back: its clients go to other endpoints where there are any, and else keep what they
// have until packets come back.
import { InterfaceType, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { rankEndpoints } from '../choice/selection.js';
import { fewAtATime } from '../few-at-a-time.js';
import { type Node, surroundings } from '../node.js';
import { declareUp } from '../request/programming.js';
import { type Connection, isInPlace, isKept } from '../state/connection.js';
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
        if (answered) return await this.#heard(clients);
        if (answered === undefined) return;
        this.#unanswered++;
      } while (this.#unanswered < looks && !this.#node.stopping.aborted);
      await this.#silent(clients);
    } finally {
      this.#looking = false;
    }
  }

  /**
   * While all is well one is asked, another each time; several when it did not answer, because it may be alone in that.
   * @returns undefined when nobody could be asked.
   */
  async #answered(clients: readonly Connection[]): Promise<boolean | undefined> {
    if (this.#unanswered === 0) this.#turn++;
    const first = this.#turn % clients.length;
    const inTurn = [...clients.slice(first), ...clients.slice(0, first)];
    const asked = inTurn.slice(0, this.#unanswered === 0 ? 1 : samples);
    const answered = await Promise.all(asked.map((connection) => answers(this.#node, connection)));
    return answered.includes(true) || (answered.includes(false) ? false : undefined);
  }

  /** That one is answered says only that the node is there: each of those that wait is tried by itself. */
  async #heard(clients: readonly Connection[]): Promise<void> {
    this.#unanswered = 0;
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
    } else {
      this.#pause = Math.min(offerAgain.longest, 2 * this.#pause || offerAgain.first);
      this.#offerAt = now + this.#pause;
    }
    await fewAtATime(offered, ({ id }) => unanswered(this.#node, id));
  }
}

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
      const error = NsmError.from(thrown);
      if (error.kind === 'unavailable' || error.kind === 'exhausted' || node.stopping.aborted) return;
      rebuild(
        node,
        present,
        `packets come back from node ${present.peer?.manager}, but not to it: ${error.message}`,
      );
    }
  });
}

/** Packets of this client do not come back. */
export async function unanswered(node: Node, id: string): Promise<void> {
  const connection = node.connections.byId(id);
  if (!connection || !hasInterface(connection)) return;
  const { peer, state } = connection;
  const reason = `no packets come back from node ${peer?.manager}`;
  const { current, others } = candidates(node, connection);
  if (current) node.health.failed(current, reason);
  const attempt = state.kind === 'HEALING' ? state.attempt + 1 : 1;
  let waiting = 'waiting, as no other endpoint can take its client';
  if (others.length > 0) {
    if (!canMove(connection)) return rebuild(node, connection, reason);
    try {
      // Nobody waits for a silent manager: it finds out when it is back.
      await move(node, id, reason, (endpoint) => endpoint.networkServiceHost === peer?.manager, {
        tellPeer: false,
      });
      tellOthers(node, connection, reason, { hearWithin }).catch(() => undefined);
      return;
    } catch (thrown) {
      waiting += `: ${NsmError.from(thrown).message}`;
    }
  }
  const present = node.connections.byId(id);
  if (!present || !hasInterface(present)) return;
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

/** @returns undefined where it cannot be asked: an interface that is not there, or a forwarder that is away, proves nothing. */
async function answers(node: Node, { id, crossConnect }: Connection): Promise<boolean | undefined> {
  try {
    return (await node.forwarder.probe({ crossConnect, timeoutMs: node.probeInterval })).answered;
  } catch (thrown) {
    const { kind, message } = NsmError.from(thrown);
    if (kind === 'dataplane') mend(node, id, message);
    return undefined;
  }
}

function candidates(
  node: Node,
  { request, service, endpoint, peer }: Connection,
): { readonly current: NetworkServiceEndpoint | undefined; readonly others: readonly unknown[] } {
  const wanted = { service, labels: request?.labels, interfaces: request?.interface ?? [] };
  const ranked = rankEndpoints(wanted, surroundings(node, service)).filter(({ usable }) => usable);
  const { name, namespace } = endpoint;
  const key = endpointKey({
    networkServiceName: service,
    nseProviderName: name,
    nseProviderNamespace: namespace,
  });
  return {
    current: node.registry.endpointsOf(service).find((record) => endpointKey(record) === key),
    others: ranked.filter(({ endpoint: other }) => other.networkServiceHost !== peer?.manager),
  };
}
