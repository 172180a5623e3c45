// Whether packets as large as pods may send come back from each other node: what is too large for the way between the nodes
// disappears without a word. Tried once a connection is up, and now and then; connections do not wait for it.
import { randomBytes } from 'node:crypto';
import { forwarder as fw, tunnelNames } from '@nsm/api';
import { largestSize } from '@nsm/netlink';
import { mtuOf, wayOf } from '../choice/narrow-ways.js';
import { timing } from '../connection/timing.js';
import { echoHeaders, probeFrom, senderOf } from '../sender.js';
import { type Connection, isUp } from '../state/connection.js';
import type { SignalComponents } from './components.js';

/** Bytes of a packet that passes wherever anything does; and of the mark by which an answer is known. */
const [smallest, markSize] = [104, 16];

/** Tries the ways to one other manager. */
export class SizeProbe implements Disposable {
  readonly #components: SignalComponents;
  /** By way, what was tried last, and when it is tried again. */
  readonly #tried = new Map<string, { readonly connection: Connection; readonly nextMs: number }>();

  constructor(components: SignalComponents) {
    this.#components = components;
  }

  async look(connections: readonly Connection[]): Promise<void> {
    for (const connection of largestOfEach(connections)) {
      const { clock, stopping } = this.#components;
      const before = this.#tried.get(wayOf(connection));
      const isLarger = mtuOf(connection) > (before ? mtuOf(before.connection) : 0);
      if (stopping.aborted || (before && !isLarger && clock.now() < before.nextMs)) continue;
      const came = await this.#try(connection);
      const againMs = timing.trySizes[came === 'whole' ? 'afterMs' : 'soonMs'];
      this.#tried.set(wayOf(connection), { connection, nextMs: clock.now() + againMs });
    }
  }

  /** A connection whose pod answers no echo says nothing; nor does what was lost by chance. */
  async #try(connection: Connection): Promise<'whole' | 'narrow' | 'unknown'> {
    const { narrowWays, logger } = this.#components;
    const known = narrowWays.carriesOf(connection);
    const mtu = mtuOf(connection);
    if (await this.#comesBack(connection, mtu)) {
      if (known !== undefined) logger.info(wayIn(connection), 'packets of every size come back again');
      narrowWays.note(connection, undefined);
      return 'whole';
    }
    const least = known ?? smallest;
    if (!(await this.#comesBack(connection, least))) return 'unknown';
    // Those of the first packets that were lost by chance come back now.
    if (await this.#comesBack(connection, mtu)) return 'unknown';
    if (known !== undefined) return 'narrow';
    const twice = async (size: number): Promise<boolean> =>
      (await this.#comesBack(connection, size)) || (await this.#comesBack(connection, size));
    const carries = await largestSize(least, mtu, async (sizes) => {
      const came = await Promise.all(sizes.map(twice));
      return sizes.filter((_, at) => came[at]);
    });
    // A node that has too much to do answers late; it is not the way then.
    if (await this.#comesBack(connection, mtu)) return 'unknown';
    narrowWays.note(connection, carries);
    logger.warn({ ...wayIn(connection), mtu, carries }, 'larger packets do not come back from the node');
    return 'narrow';
  }

  async #comesBack(connection: Connection, size: number): Promise<boolean> {
    const sender = senderOf(connection);
    if (!sender) return false;
    const payload = Buffer.alloc(size - echoHeaders(sender));
    payload.set(randomBytes(markSize));
    const how = { timeoutMs: timing.trySizes.answerMs, method: fw.ProbeMethod.ECHO, payload };
    return await probeFrom(this.#components.forwarder, sender, connection, how).then(
      ({ answered }) => answered,
      () => false,
    );
  }

  /** Nothing goes to that node any more. */
  [Symbol.dispose](): void {
    for (const { connection } of this.#tried.values())
      this.#components.narrowWays.note(connection, undefined);
  }
}

/** Of the connections of each way the one with the largest MTU: what is true of its packets is true of all. */
function largestOfEach(connections: readonly Connection[]): Iterable<Connection> {
  const largest = new Map<string, Connection>();
  for (const connection of connections) {
    if (!isUp(connection) || !connection.tunnel || mtuOf(connection) <= smallest) continue;
    const former = largest.get(wayOf(connection));
    if (!former || mtuOf(former) < mtuOf(connection)) largest.set(wayOf(connection), connection);
  }
  return largest.values();
}

function wayIn({ peer, tunnel }: Connection): Record<string, unknown> {
  return { peer: peer?.manager, tunnel: tunnel && tunnelNames[tunnel.type] };
}
