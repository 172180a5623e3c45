// Claims, of which a name has one holder, as Leases.
import { apiTime, type KubeClient, type Lease, leases } from '@nsm/kube-client';
import { notAlive } from '../records/own-records.js';
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
import type { KnownManager } from './manager-writes.js';
import { labels, managerObjects } from './mesh-objects.js';
import { labelValue, objectName } from './object-names.js';
import { keptManager } from './record-objects.js';

/** Has the name whole: that of the object is shortened where Kubernetes would not allow it. */
const claimAnnotation = 'networkservicemesh.io/claim';

export class ClaimWrites {
  readonly #kube: KubeClient;
  readonly #home: string;
  readonly #known: KnownManager;

  constructor({ kube, home }: Pick<WriteComponents, 'kube' | 'home'>, known: KnownManager) {
    this.#kube = kube;
    this.#home = home;
    this.#known = known;
  }

  /**
   * @returns who has it: the first.
   * @throws NsmError `registry` where nobody has it, and the manager `holder` is not alive.
   */
  async claim(name: string, holder: string): Promise<string> {
    if (!(await this.#isAlive(holder))) {
      const present = await find(this.#kube, leases, this.#placeOf(name));
      if (present?.spec?.holderIdentity) return present.spec.holderIdentity;
      throw notAlive(holder);
    }
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
      // The claim may be given back at this moment.
      const present = await find(this.#kube, leases, this.#placeOf(name));
      const first = present?.spec?.holderIdentity;
      if (first && (first !== holder || (await this.#renew(name)))) return first;
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

  /** Says once more who has it: a release that comes late is of the version before, and does nothing. @returns false when it is gone. */
  async #renew(name: string): Promise<boolean> {
    try {
      const patch = { spec: { renewTime: apiTime() } };
      await this.#kube.patch(leases, this.#placeOf(name), patch, { timeoutMs: callMs });
      return true;
    } catch (error) {
      if (isReason(error, 'NotFound')) return false;
      throw error;
    }
  }

  /** The registry's copy may not have heard of it yet. */
  async #isAlive(manager: string): Promise<boolean> {
    if (this.#known(manager)?.alive) return true;
    const place = { name: objectName(manager), namespace: this.#home };
    const object = await find(this.#kube, managerObjects, place);
    return object !== undefined && keptManager(object).record?.alive === true;
  }

  #placeOf(name: string): Place {
    return { name: `claim-${objectName(name)}`, namespace: this.#home };
  }
}

/** Gives back all that a manager has. */
export async function releaseClaims(kube: KubeClient, home: string, holder: string): Promise<void> {
  await kube.deleteAll(leases, {
    namespace: home,
    labelSelector: `${labels.manager}=${labelValue(holder)},${labels.lease}=claim`,
  });
}
