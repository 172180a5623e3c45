// A pair of addresses as one of those that a client may have.
import type { Shares } from '../admission/shares.js';
import { ruledBy, type Verdict } from '../policy/gate.js';
import type { Holder } from '../state/holder.js';

/**
 * @returns what gives the pair back.
 * @throws NsmError `overload` when the client has too many; a client that is not known has no limit.
 */
export function takePair(
  { shares }: { readonly shares: Pick<Shares, 'take'> },
  holder: Holder | undefined,
  verdict: Pick<Verdict, 'limits' | 'rule'>,
): () => void {
  return holder
    ? shares.take('addressPairs', holder, { ruled: ruledBy(verdict, 'addressPairs') })
    : () => undefined;
}
