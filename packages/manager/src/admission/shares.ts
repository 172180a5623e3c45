// What one pod, and one user, may have of what is there for all pods of a node.
import { NsmError, type PeerCredentials } from '@nsm/api';
import { identityOf } from '../state/namespace-identity.js';
import { defaultLimits, type Limited, type Limits } from './limits.js';

const userFactor = 4;

const words: Readonly<Record<Limited, string>> = {
  connections: 'connections',
  endpoints: 'network services of endpoints',
  endpointBytes: 'bytes of advertised endpoints',
  watches: 'watches',
};

export type Holder = Pick<PeerCredentials, 'uid' | 'namespace'>;

/** How far a limit is used: `most` is what the pod or user that has most of it had when that was asked. */
export interface LimitUse {
  readonly name: Limited;
  readonly limit: number;
  readonly most: number;
  readonly refused: number;
}

export class Shares {
  readonly #limits: Limits;
  readonly #exempt: (holder: Holder) => boolean;
  readonly #held = new Map<string, number>();
  readonly #most = new Map<Limited, number>();
  readonly #refused = new Map<Limited, number>();

  /** @param exempt those who act for others, and root of the node. */
  constructor(limits: Partial<Limits>, exempt: (holder: Holder) => boolean) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#exempt = exempt;
  }

  /**
   * @param had what the pod and the user have already, of what is counted elsewhere.
   * @param more what is asked for.
   * @param limit in place of the manager's own, where the policy has one.
   * @throws NsmError `overload` when that is more than they may have
   */
  require(
    what: Limited,
    holder: Holder,
    had: { readonly pod: number; readonly user: number },
    more = 1,
    limit: number = this.#limits[what],
  ): void {
    this.#most.set(what, Math.max(this.#most.get(what) ?? 0, had.pod));
    if (this.#exempt(holder)) return;
    const whose =
      had.pod + more > limit
        ? `network namespace ${holder.namespace?.inode || identityOf(holder.namespace)} has ${had.pod} of ${limit}`
        : holder.uid !== 0 && had.user + more > limit * userFactor
          ? `user ${holder.uid} has ${had.user} of ${limit * userFactor}`
          : undefined;
    if (whose === undefined) return;
    this.#refused.set(what, (this.#refused.get(what) ?? 0) + 1);
    throw new NsmError(
      'overload',
      `${whose} ${words[what]}, and ${more} more are asked for: give up some, or raise ${limit === this.#limits[what] ? `the manager's --limit ${what}=${limit}` : `limits.${what} of the policy`}`,
    );
  }

  /** Takes one until what is returned is called. @throws NsmError `overload` */
  take(what: Limited, holder: Holder): () => void {
    const [pod, user] = [`${what} ${identityOf(holder.namespace)}`, `${what} user ${holder.uid}`];
    this.require(what, holder, { pod: this.#held.get(pod) ?? 0, user: this.#held.get(user) ?? 0 });
    for (const name of [pod, user]) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    return () => {
      for (const name of [pod, user]) {
        const left = (this.#held.get(name) ?? 0) - 1;
        if (left > 0) this.#held.set(name, left);
        else this.#held.delete(name);
      }
    };
  }

  uses(): LimitUse[] {
    return (Object.keys(defaultLimits) as Limited[]).map((name) => ({
      name,
      limit: this.#limits[name],
      most: this.#most.get(name) ?? 0,
      refused: this.#refused.get(name) ?? 0,
    }));
  }
}
