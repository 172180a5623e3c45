// Which objects describe which endpoint: one, unless somebody has written an endpoint a second time.

import type { NetworkServiceEndpoint } from '@nsm/api';
import { keyOf } from '@nsm/kube-client';
import { endpointKey } from '../records/valid-record.js';
import type { KeptEndpoint } from './record-objects.js';

export class EndpointIndex {
  readonly #objects = new Map<string, readonly KeptEndpoint[]>();

  /** The object by which an endpoint is known: the first that came. */
  objectOf(key: string): KeptEndpoint | undefined {
    return this.#objects.get(key)?.[0];
  }

  /**
   * Takes a change of one object.
   * @returns the keys of the endpoints that may have changed by it.
   */
  change(before: KeptEndpoint | undefined, after: KeptEndpoint | undefined): ReadonlySet<string> {
    const [old, now] = [recordKey(before?.record), recordKey(after?.record)];
    if (before && old !== undefined) {
      const own = keyOf(before);
      const others = (this.#objects.get(old) ?? []).flatMap((each) => {
        if (keyOf(each) !== own) return [each];
        return after && old === now ? [after] : [];
      });
      if (others.length > 0) this.#objects.set(old, others);
      else this.#objects.delete(old);
    }
    if (after && now !== undefined && old !== now)
      this.#objects.set(now, [...(this.#objects.get(now) ?? []), after]);
    return new Set([old, now].filter((key) => key !== undefined));
  }
}

function recordKey(record: NetworkServiceEndpoint | undefined): string | undefined {
  return record && endpointKey(record);
}
