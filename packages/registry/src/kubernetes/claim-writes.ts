// Claims, of which a name has one holder, as Leases.
import { type KubeClient, type Lease, leases } from '@nsm/kube-client';
import {
  attempts,
  callMs,
  find,
  isReason,
  type Place,
  retried,
  versionOf,
  type WriteComponents,
} from './api-writes.js';
import { labels } from './mesh-objects.js';
import { labelValue, objectName } from './object-names.js';

/** Has the name whole: that of the object is shortened where Kubernetes would not allow it. */
const claimAnnotation = 'networkservicemesh.io/claim';

export class ClaimWrites {
  readonly #kube: KubeClient;
  readonly #home: string;

  constructor({ kube, home }: WriteComponents) {
    this.#kube = kube;
    this.#home = home;
  }

  /** @returns who has it: the first. */
  async claim(name: string, holder: string): Promise<string> {
    const lease: Lease = {
      metadata: {
        ...this.#placeOf(name),
        labels: { [labels.lease]: 'claim', [labels.manager]: labelValue(holder) },
        annotations: { [claimAnnotation]: name },
      },
      spec: { holderIdentity: holder },
    };
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#kube.create(leases, lease, { timeoutMs: callMs });
        return holder;
      } catch (error) {
        if (!isReason(error, 'AlreadyExists') || attempt === attempts) throw error;
      }
      // It may be given back at this moment.
      const present = await find(this.#kube, leases, this.#placeOf(name));
      if (present?.spec?.holderIdentity) return present.spec.holderIdentity;
    }
  }

  async release(name: string, holder: string): Promise<void> {
    await retried(async () => {
      const place = this.#placeOf(name);
      const present = await find(this.#kube, leases, place);
      if (present?.spec?.holderIdentity !== holder) return;
      await this.#kube.delete(leases, place, { preconditions: versionOf(present), timeoutMs: callMs });
    });
  }

  /** All that a manager has. */
  async releaseAll(holder: string): Promise<void> {
    await this.#kube.deleteAll(leases, {
      namespace: this.#home,
      labelSelector: `${labels.manager}=${labelValue(holder)},${labels.lease}=claim`,
    });
  }

  #placeOf(name: string): Place {
    return { name: `claim-${objectName(name)}`, namespace: this.#home };
  }
}
