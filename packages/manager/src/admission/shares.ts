// What one pod, and one user, may have of what is there for all pods of a node.
import { NsmError } from '@nsm/api';
import type { RuledLimit } from '@nsm/policy';
import { type Holder, holderNames } from '../state/holder.js';
import type { Had } from '../state/holdings.js';
import { identityOf } from '../state/namespace-identity.js';
import { Tally } from '../tally.js';
import { type Counted, defaultLimits, type Limited, type Limits } from './limits.js';

const words: Readonly<Record<Counted, string>> = {
  connections: 'connections',
  endpoints: 'network services of endpoints',
  endpointBytes: 'bytes of advertised endpoints',
  endpointSockets: 'sockets of endpoints (a process needs one, for all its network services)',
  addressPairs: 'address pairs',
  routes: 'routes of connections',
  requests: 'requests that wait',
  watches: 'watches',
  sockets: 'connections to the manager (a client needs one, for all its calls)',
  streams: 'calls under way',
  callBytes: 'bytes of calls under way',
};

/** How much a client asks for, and by which limit that is judged. */
export interface Demand {
  /** Default: 1. */
  readonly more?: number;
  /** In place of the manager's own limit, where the rule of the policy that allows it has one. */
  readonly ruled?: RuledLimit | undefined;
}

/** How far a limit is used: `most` is what the pod that has most of it had when more was asked for. */
export interface LimitUse {
  readonly name: Limited;
  readonly limit: number;
  readonly limitOfUser: number;
  readonly most: number;
  readonly mostOfUser: number;
  readonly refused: number;
}

export interface SharesComponents {
  /** Callers that act for others, and root of the node. */
  readonly exempts: (holder: Holder) => boolean;
  /** The limit that the policy has for a pod, whatever it asks for. */
  readonly ruledFor: (what: Counted, holder: Holder) => RuledLimit | undefined;
}

/** Counts of one limit since the manager began. */
interface Usage {
  most: Had;
  refused: number;
}

export class Shares {
  readonly #components: SharesComponents;
  readonly #limits: Limits;
  readonly #held = new Tally();
  readonly #records = new Map<Counted, Usage>();
  readonly #listeners = new Set<(what: Counted, refusal: NsmError) => void>();

  constructor(components: SharesComponents, limits: Partial<Limits> = {}) {
    this.#components = components;
    this.#limits = { ...defaultLimits, ...limits };
  }

  /**
   * @param had what the pod and the user have already, of what is counted elsewhere.
   * @throws NsmError `overload` when that is more than they may have
   */
  require(what: Counted, holder: Holder, had: Had, { more = 1, ruled }: Demand = {}): void {
    const record = this.#records.get(what) ?? { most: { pod: 0, user: 0 }, refused: 0 };
    this.#records.set(what, record);
    record.most = {
      pod: Math.max(record.most.pod, had.pod),
      user: Math.max(record.most.user, had.user),
    };
    const refusal = this.refusalOf(what, holder, had, { more, ruled });
    if (!refusal) return;
    record.refused++;
    for (const listener of this.#listeners) listener(what, refusal);
    throw refusal;
  }

  /** Calls the listener for each refusal, until what is returned is disposed of. */
  onRefusal(listener: (what: Counted, refusal: NsmError) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** What `require` would refuse with; nothing is counted. */
  refusalOf(what: Counted, holder: Holder, had: Had, { more = 1, ruled }: Demand = {}): NsmError | undefined {
    if (this.#components.exempts(holder)) return undefined;
    const ofPolicy = ruled ?? this.#components.ruledFor(what, holder);
    const limit = ofPolicy?.limit ?? this.#limits[what];
    const { userFactor } = this.#limits;
    const isPodFull = had.pod + more > limit;
    if (!isPodFull && (holder.uid === 0 || had.user + more <= limit * userFactor)) return undefined;
    const whose = isPodFull
      ? `network namespace ${podInWords(holder)} has ${had.pod} of ${limit}`
      : `user ${holder.uid} has ${had.user} of ${limit * userFactor}`;
    const raise =
      ofPolicy === undefined
        ? `the manager's --limit ${what}=${limit}`
        : `limits.${what} of the policy's rule "${ofPolicy.rule}"`;
    const factor = isPodFull
      ? ''
      : `, of which a user may have ${userFactor} times as many (--limit userFactor)`;
    return new NsmError(
      'overload',
      `${whose} ${words[what]}, and ${more} more are asked for: give up some, or raise ${raise}${factor}`,
    );
  }

  /** What a pod and its user have taken with `take` or `hold`. */
  heldOf(what: Counted, holder: Holder): Had {
    const [pod, user] = namesOf(what, holder);
    return { pod: this.#held.of(pod), user: this.#held.of(user) };
  }

  /** Takes what is asked for until what is returned is called; called again, that does nothing. @throws NsmError `overload` */
  take(what: Counted, holder: Holder, wanted: Demand = {}): () => void {
    this.require(what, holder, this.heldOf(what, holder), wanted);
    return this.hold(what, holder, wanted.more);
  }

  /** Counts what is there already, without asking; nothing for a holder that is not known. */
  hold(what: Counted, holder: Holder | undefined, amount = 1): () => void {
    if (!holder) return () => undefined;
    const names = namesOf(what, holder);
    for (const name of names) this.#held.add(name, amount);
    let isHeld = true;
    return () => {
      if (isHeld) for (const name of names) this.#held.add(name, -amount);
      isHeld = false;
    };
  }

  /** @param memory what the forwarder tells, which keeps the limit of shared memory. */
  uses(memory?: Omit<LimitUse, 'name'>): LimitUse[] {
    const { userFactor, sharedMemoryMib: _forwarders, ...limits } = this.#limits;
    const counted = (Object.entries(limits) as [Counted, number][]).map(([name, limit]) => {
      const { most, refused = 0 } = this.#records.get(name) ?? {};
      return {
        name,
        limit,
        limitOfUser: limit * userFactor,
        refused,
        most: most?.pod ?? 0,
        mostOfUser: most?.user ?? 0,
      };
    });
    return memory ? [...counted, { ...memory, name: 'sharedMemoryMib' }] : counted;
  }
}

function namesOf(what: Counted, holder: Holder): [pod: string, user: string] {
  const [pod, user] = holderNames(holder);
  return [`${what} ${pod}`, `${what} ${user}`];
}

function podInWords({ namespace, manager }: Holder): string {
  const pod = String(namespace?.inode || identityOf(namespace));
  return manager === undefined ? pod : `${pod} of manager ${manager}`;
}
