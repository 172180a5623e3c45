// The proof of a connection: packets of its full MTU, both ways, in every version of IP it has; not a byte more.
import { expect } from 'vitest';
import type { Connected } from './nsm-command.js';
import { bare, isTooLong, passes } from './pod-network.js';

interface Named {
  readonly name: string;
}

/** Fails unless exactly the MTU fits through a connection, from either end. */
export const expectTraffic = async (
  client: Named,
  endpoint: Named,
  { addresses, peerAddresses, mtu }: Pick<Connected, 'addresses' | 'peerAddresses' | 'mtu'>,
): Promise<void> => {
  const ways = [
    ...peerAddresses.map((to) => ({ from: client.name, to })),
    ...addresses.map((address) => ({ from: endpoint.name, to: bare(address) })),
  ];
  expect(ways.length).toBeGreaterThanOrEqual(2);
  const seen = await Promise.all(
    ways.map(async ({ from, to }) => {
      // First the one that must pass: it resolves the neighbour.
      const full = await passes(from, to, mtu);
      return { from, to, full, oneMoreIsRefused: await isTooLong(from, to, mtu + 1) };
    }),
  );
  expect(seen).toEqual(ways.map((way) => ({ ...way, full: true, oneMoreIsRefused: true })));
};
