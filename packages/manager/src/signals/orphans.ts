// Halves of endpoints of this node whose client's manager does not answer, or cannot be asked: they stay as long as their clients are there.
import { traitsOf } from '@nsm/api';
import { timing } from '../connection/timing.js';
import { forEachLimited } from '../limited-concurrency.js';
import { type Connection, isInPlace } from '../state/connection.js';
import type { SignalComponents } from './components.js';

/** So many looks in a row at a client must find nothing before its half is taken for an orphan. */
const looks = 10;

/** The halves that were made for one manager. Times are monotonic milliseconds. */
export class Orphans {
  readonly #components: SignalComponents;
  /** By the id of the half, since when its client has not answered. */
  #unanswered = new Map<string, number>();
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(components: SignalComponents) {
    this.#components = components;
  }

  /** While the manager does not answer: ends the halves whose clients have not answered for long either. */
  async look(manager: string, connections: readonly Connection[]): Promise<void> {
    const { clock, orphanedMs, registry, reconciler } = this.#components;
    const now = clock.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + orphanedMs / looks;
    const before = this.#unanswered;
    this.#unanswered = new Map();
    // A manager that has its lease is there, and only out of reach.
    if (registry.managers().get(manager)?.alive) return;
    const halves = connections.filter((half) => half.role === 'ENDPOINT' && isInPlace(half));
    await forEachLimited(halves, async (half) => {
      if (await this.#isClientThere(half)) return;
      const since = before.get(half.id) ?? now;
      this.#unanswered.set(half.id, since);
      if (clock.now() - since < orphanedMs) return;
      const gone = manager === '' ? 'its client, whose manager said no name,' : `manager ${manager}`;
      reconciler.end(half.id, `${gone} is gone`, { tell: 'nobody' });
    });
  }

  /** The manager has answered. */
  forget(): void {
    this.#unanswered.clear();
  }

  async #isClientThere({ crossConnect, peer }: Connection): Promise<boolean> {
    const { endpoint } = crossConnect;
    // No kernel could ask: the silence of a manager that would answer has to do, and that of another says nothing.
    if (!endpoint || !traitsOf(endpoint.type).hasDevice) return peer?.connectionId === '';
    const probed = this.#components.forwarder.probe({ crossConnect, timeoutMs: timing.answerWithinMs });
    return await probed.then(
      ({ answered }) => answered,
      // An interface that is not there, or a forwarder that is away, says nothing of the client.
      () => true,
    );
  }
}
