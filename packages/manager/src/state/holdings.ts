// Which connections each pod and each user has: those on record, and those that are being made and may be on record yet.
import { Tally } from '../tally.js';
import type { Holder } from './holder.js';
import { identityOf } from './namespace-identity.js';

/** Why a connection counts. */
type Cause = 'request' | 'record';

interface Holding {
  readonly holder: Holder;
  readonly causes: Set<Cause>;
}

/** A connection counts once, for as long as there is a cause. */
export class Holdings {
  readonly #byId = new Map<string, Holding>();
  readonly #pods = new Tally();
  readonly #users = new Tally();

  add(id: string, holder: Holder, cause: Cause): void {
    const present = this.#byId.get(id);
    if (present) present.causes.add(cause);
    else {
      this.#byId.set(id, { holder, causes: new Set([cause]) });
      this.#count(holder, 1);
    }
  }

  delete(id: string, cause: Cause): void {
    const present = this.#byId.get(id);
    if (!present?.causes.delete(cause) || present.causes.size > 0) return;
    this.#byId.delete(id);
    this.#count(present.holder, -1);
  }

  of({ namespace, uid }: Holder): { readonly pod: number; readonly user: number } {
    return { pod: this.#pods.of(identityOf(namespace) ?? ''), user: this.#users.of(String(uid)) };
  }

  #count({ namespace, uid }: Holder, by: 1 | -1): void {
    this.#pods.add(identityOf(namespace) ?? '', by);
    this.#users.add(String(uid), by);
  }
}
