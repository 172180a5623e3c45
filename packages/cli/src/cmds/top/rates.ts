// What connections carry per second, from two looks at their counters.
import type { ConnectionView, StatisticsView } from '@nsm/views/connection-view';
import type { Order } from './flags.js';

export interface RateView {
  readonly id: string;
  readonly service: string;
  readonly requestId: string;
  readonly state: string;
  /** Bits per second. */
  readonly receivedBits: number;
  readonly sentBits: number;
  /** Packets per second. */
  readonly receivedPackets: number;
  readonly sentPackets: number;
  /** Dropped packets per second, of both directions. */
  readonly drops: number;
}

/**
 * Of the connections that are in both looks and whose counters went on: the counters of a connection that was made anew begin at 0.
 * @param elapsedMs milliseconds between the looks, above 0
 */
export function ratesOf(
  before: readonly ConnectionView[],
  after: readonly ConnectionView[],
  elapsedMs: number,
): RateView[] {
  const earlier = new Map(before.map(({ id, statistics }) => [id, statistics]));
  return after.flatMap(({ id, service, requestId, state, statistics }) => {
    const was = earlier.get(id);
    if (!was || !statistics) return [];
    const perSecond = (read: (statistics: StatisticsView) => number): number =>
      (Math.max(0, read(statistics) - read(was)) * 1000) / elapsedMs;
    return [
      {
        id,
        service,
        requestId,
        state,
        receivedBits: 8 * perSecond(({ receivedBytes }) => receivedBytes),
        sentBits: 8 * perSecond(({ sentBytes }) => sentBytes),
        receivedPackets: perSecond(({ receivedPackets }) => receivedPackets),
        sentPackets: perSecond(({ sentPackets }) => sentPackets),
        drops: perSecond(({ receivedDrops, sentDrops }) => receivedDrops + sentDrops),
      },
    ];
  });
}

const mostOf: Readonly<Record<Exclude<Order, 'service'>, (rate: RateView) => number>> = {
  rx: ({ receivedBits }) => receivedBits,
  tx: ({ sentBits }) => sentBits,
  drops: ({ drops }) => drops,
};

/** The most first; equal ones, and all of order `service`, by service and id. */
export function sorted(rates: readonly RateView[], order: Order): RateView[] {
  const amount = order === 'service' ? () => 0 : mostOf[order];
  return [...rates].sort(
    (a, b) => amount(b) - amount(a) || a.service.localeCompare(b.service) || a.id.localeCompare(b.id),
  );
}
