// Address pairs out of this manager's pools, each counted as one of those that its client may have.
import type { NetworkServiceEndpoint } from '@nsm/api';
import type { IpPrefix } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import { allocate, prefixesOf, releasePairs } from '../addresses/allocation.js';
import { ruledBy, type Verdict } from '../policy/gate.js';
import type { Holder } from '../state/holder.js';
import type { RequestComponents } from './components.js';
import type { Transaction } from './transaction.js';

export interface AddressWish {
  readonly endpoint: NetworkServiceEndpoint;
  /** Prefixes that the addresses must not overlap. */
  readonly excluded: readonly IpPrefix[];
  /** The client; undefined where the client is not known, and so has no limit. */
  readonly holder: Holder | undefined;
  readonly verdict: Verdict;
}

/**
 * @param step what the step of the transaction is called, which gives the pairs back when a later step fails.
 * @throws NsmError `no-address` or `registry` when there are none, `overload` when the client has too many.
 */
export async function takeAddresses(
  components: RequestComponents,
  transaction: Transaction,
  step: string,
  { endpoint, excluded, holder, verdict }: AddressWish,
): Promise<readonly AddressPair[]> {
  const { shares } = components;
  const ruled = ruledBy(verdict, 'addressPairs');
  const reserve = () => (holder ? shares.take('addressPairs', holder, { ruled }) : () => undefined);
  return await transaction.step(
    step,
    () => allocate(components, prefixesOf(components, endpoint), excluded, reserve),
    (taken) => releasePairs(components, taken),
  );
}
