// What connections carry, summed up by network service. The counters of a connection end with it; those of a service only grow.
import { BoundedNames, type Meters } from '@nsm/observe';
import type { Clock } from '../clock.js';
import type { Forwarder } from '../forwarder-client.js';
import { forEachLimited } from '../limited-concurrency.js';
import type { Connection } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { managerMetrics } from './manager-metrics.js';

export interface ServiceTrafficComponents {
  readonly connections: Pick<ConnectionTable, 'values'>;
  readonly forwarder: Pick<Forwarder, 'getStatistics'>;
  readonly clock: Pick<Clock, 'now'>;
}

type TrafficMeters = Pick<Meters<typeof managerMetrics>, 'packets' | 'bytes' | 'drops'>;

/** Network services, and reasons for dropping packets, that are told apart. */
const maxServices = 100;
const maxReasons = 32;
/** Connections that are read at the same time: requests of clients come between them. */
const atOnce = 4;
/** A reading is followed by a pause of so many times what it took, however often metrics are asked for: set-ups need the forwarder, too. */
const pauseBy = 9;
/** What the counters of a connection are called, as the labels of the service's. */
type Series = `${'packets' | 'bytes'} ${'received' | 'sent'}` | `drops ${string}`;

export class ServiceTraffic {
  readonly #components: ServiceTrafficComponents;
  readonly #meters: TrafficMeters;
  readonly #services = new BoundedNames(maxServices);
  readonly #reasons = new BoundedNames(maxReasons);
  /** Monotonic milliseconds. */
  #notBefore = 0;
  /** What was read before, by id of the connection. */
  #before = new Map<string, ReadonlyMap<Series, bigint>>();

  constructor(components: ServiceTrafficComponents, meters: TrafficMeters) {
    this.#components = components;
    this.#meters = meters;
  }

  /** Reads the counters of all connections. Work of the forwarder, which the manager only waits for. */
  async read(): Promise<void> {
    const { connections, clock } = this.#components;
    const begunAt = clock.now();
    if (begunAt < this.#notBefore) return;
    const all = [...connections.values()];
    this.#forgetUnused(new Set(all.map(({ service }) => service)));
    const now = new Map<string, ReadonlyMap<Series, bigint>>();
    await forEachLimited(
      all,
      async (connection) => {
        const before = this.#before.get(connection.id);
        const read = await this.#countersOf(connection);
        // A connection without an interface, which is being made or healed, keeps what it had.
        if (read) this.#add(this.#services.of(connection.service), read, before);
        const known = read ?? before;
        if (known) now.set(connection.id, known);
      },
      atOnce,
    );
    this.#before = now;
    this.#notBefore = clock.now() + pauseBy * (clock.now() - begunAt);
  }

  async #countersOf({ crossConnect }: Connection): Promise<ReadonlyMap<Series, bigint> | undefined> {
    const { forwarder } = this.#components;
    const read = await forwarder.getStatistics({ crossConnect }).catch(() => undefined);
    if (!read) return undefined;
    return new Map<Series, bigint>([
      ['packets received', read.receivedPackets],
      ['bytes received', read.receivedBytes],
      ['packets sent', read.sentPackets],
      ['bytes sent', read.sentBytes],
      ...Object.entries(read.drops).flatMap(([reason, count]): [Series, bigint][] =>
        // What cannot be told to belong to one connection would be counted once for each.
        reason.includes('whole node') ? [] : [[`drops ${reason}`, count]],
      ),
    ]);
  }

  #add(
    service: string,
    read: ReadonlyMap<Series, bigint>,
    before: ReadonlyMap<Series, bigint> | undefined,
  ): void {
    for (const [series, count] of read) {
      const former = before?.get(series) ?? 0n;
      // The counters of a device that was made anew begin again.
      const more = Number(count >= former ? count - former : count);
      if (more > 0) this.#count(service, series, more);
    }
  }

  #count(service: string, series: Series, more: number): void {
    const { packets, bytes, drops } = this.#meters;
    const space = series.indexOf(' ');
    const [what, rest] = [series.slice(0, space), series.slice(space + 1)];
    if (what === 'packets') packets.inc({ service, direction: rest }, more);
    else if (what === 'bytes') bytes.inc({ service, direction: rest }, more);
    else {
      const [direction = '', ...words] = rest.split(', ');
      drops.inc({ service, direction, reason: this.#reasons.of(words.join(', ')) }, more);
    }
  }

  /** A service without connections gives its place to another. */
  #forgetUnused(inUse: ReadonlySet<string>): void {
    const { packets, bytes, drops } = this.#meters;
    for (const service of this.#services.keepOnly(inUse)) {
      for (const direction of ['received', 'sent']) {
        packets.remove({ service, direction });
        bytes.remove({ service, direction });
        for (const reason of this.#reasons.all) drops.remove({ service, direction, reason });
      }
    }
  }
}
