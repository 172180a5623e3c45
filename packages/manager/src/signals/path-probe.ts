// A node from which no packets come back: its clients go to other endpoints where there are any, and else keep what they
// have until packets come back.
import { NsmError, traitsOf } from '@nsm/api';
import { timing } from '../connection/timing.js';
import { forEachLimited } from '../limited-concurrency.js';
import { type Connection, isInPlace, isUp, stateOf } from '../state/connection.js';
import { compareSoon } from './comparing.js';
import type { SignalComponents } from './components.js';
import { pathFailureOf } from './path-failure.js';

/** Whether packets come back to this node's clients from one other node. Times are monotonic milliseconds. */
export class PathProbe {
  readonly #components: SignalComponents;
  readonly #manager: string;
  #unanswered = 0;
  /** Looks in a row at which only those did not answer whose pods something else undoes. */
  #undone = 0;
  #turn = 0;
  #offerAt = 0;
  #pause = 0;

  constructor(components: SignalComponents, manager: string) {
    this.#components = components;
    this.#manager = manager;
  }

  /** Sends a packet and waits for the answer, and does what follows from it. */
  async look(connections: readonly Connection[]): Promise<void> {
    const clients = connections.filter(hasInterface);
    if (clients.length === 0) return;
    // Once something did not come back, the next look follows at once.
    do {
      const answered = await this.#answered(clients);
      if (answered === 'yes') return await this.#heard(clients);
      if (answered === 'unknown') return;
      if (answered === 'undone') return await this.#notLeftAlone(clients);
      this.#unanswered++;
    } while (this.#unanswered < timing.failuresUntilDown && !this.#components.stopping.aborted);
    await this.#reportFailures(clients);
  }

  /**
   * While all is well a single client's path is probed, another each time; several when it did not answer, because that client may be
   * the only one concerned.
   */
  async #answered(clients: readonly Connection[]): Promise<Answer> {
    if (this.#unanswered === 0) this.#turn++;
    const first = this.#turn % clients.length;
    const rotated = [...clients.slice(first), ...clients.slice(0, first)];
    const asked = rotated.slice(0, this.#unanswered === 0 ? 1 : timing.probeSamples);
    const answers = await Promise.all(asked.map((connection) => this.#answerOf(connection)));
    return (['yes', 'no', 'undone'] as const).find((answer) => answers.includes(answer)) ?? 'unknown';
  }

  /** An answered probe says only that the node is there: each waiting connection is verified by itself. */
  async #heard(clients: readonly Connection[]): Promise<void> {
    this.#unanswered = 0;
    this.#undone = 0;
    this.#pause = 0;
    const waiting = clients.filter(({ phase }) => phase.kind === 'WAITING');
    await forEachLimited(waiting, async ({ id }) =>
      this.#components.reconciler.mark(id, (facts) => {
        facts.heard = true;
      }),
    );
  }

  async #reportFailures(clients: readonly Connection[]): Promise<void> {
    const { connections, logger, clock } = this.#components;
    const now = clock.now();
    if (this.#unanswered === timing.failuresUntilDown)
      logger.warn({ peer: this.#manager }, 'no packets come back from the node');
    let offered = clients;
    if (this.#unanswered > timing.failuresUntilDown && now < this.#offerAt) {
      // What was made meanwhile was not offered yet.
      offered = clients.filter(({ id }) => {
        const present = connections.byId(id);
        return present !== undefined && isUp(present);
      });
    } else this.#offered(now);
    await this.#offer(offered);
  }

  /** Clients whose half is undone in a pod: that says nothing of the node, but another endpoint may serve those clients better. */
  async #notLeftAlone(clients: readonly Connection[]): Promise<void> {
    this.#undone++;
    const now = this.#components.clock.now();
    if (this.#undone < timing.failuresUntilDown || now < this.#offerAt) return;
    this.#offered(now);
    await this.#offer(clients.filter(({ id }) => this.#isUndone(id)));
  }

  #isUndone(id: string): boolean {
    const present = this.#components.connections.byId(id);
    return present !== undefined && stateOf(present) === 'STALE';
  }

  #offered(now: number): void {
    const { firstMs, longestMs } = timing.offer;
    this.#pause = Math.min(longestMs, 2 * this.#pause || firstMs);
    this.#offerAt = now + this.#pause;
  }

  /** Clients are offered to other endpoints, where there are any. */
  async #offer(clients: readonly Connection[]): Promise<void> {
    const { connections, reconciler } = this.#components;
    await forEachLimited(clients, async ({ id }) => {
      const present = connections.byId(id);
      const pathFailure =
        present && hasInterface(present) ? pathFailureOf(this.#components, present) : undefined;
      if (pathFailure)
        await reconciler.mark(id, (facts) => {
          facts.pathFailure = pathFailure;
        });
    });
  }

  /** The answer of one client's path; an interface that is not there, or a forwarder that is away, proves nothing. */
  async #answerOf({ id, crossConnect }: Connection): Promise<Answer> {
    const { forwarder, probeIntervalMs, reconciler } = this.#components;
    try {
      const { answered } = await forwarder.probe({ crossConnect, timeoutMs: probeIntervalMs });
      if (answered) return 'yes';
      return this.#isUndone(id) ? 'undone' : 'no';
    } catch (thrown) {
      const { kind, message } = NsmError.from(thrown);
      if (kind === 'dataplane') void compareSoon(reconciler, id, message);
      return 'unknown';
    }
  }
}

/** `undone`: no answer, and a pod undoes the connection; `unknown`: the forwarder could not probe. */
type Answer = 'yes' | 'no' | 'undone' | 'unknown';

/** A client's connection with a device, up or waiting; while the connection is being made anew there is nothing to probe. */
function hasInterface(connection: Connection): boolean {
  const { client } = connection.crossConnect;
  const driven = client !== undefined && traitsOf(client.type).hasDevice;
  return connection.role === 'CLIENT' && driven && isInPlace(connection);
}
