// What each pod and each user has of connections: how many, those that are being made included, and how many routes on record.
import { Tally } from '../tally.js';
import { type Holder, holderNames } from './holder.js';

type Cause = 'request' | 'record';

export interface Had {
  readonly pod: number;
  readonly user: number;
}

interface Holding {
  readonly holder: Holder;
  readonly causes: Set<Cause>;
  routes: number;
}

/** A connection counts once, for as long as there is a cause. */
export class Holdings {
  readonly #byId = new Map<string, Holding>();
  readonly #connections = new Tally();
  readonly #routes = new Tally();

  /** @param routes of both sides, where they are known. */
  add(id: string, holder: Holder, cause: Cause, routes?: number): void {
    const present = this.#byId.get(id);
    const holding = present ?? { holder, causes: new Set(), routes: 0 };
    if (!present) {
      this.#byId.set(id, holding);
      count(this.#connections, holder, 1);
    }
    holding.causes.add(cause);
    if (routes !== undefined) this.#setRoutes(holding, routes);
  }

  /** Counts a connection that is being made. @returns what ends that; a connection on record goes on to count. */
  expect(id: string, holder: Holder): () => void {
    this.add(id, holder, 'request');
    return () => this.delete(id, 'request');
  }

  delete(id: string, cause: Cause): void {
    const present = this.#byId.get(id);
    if (!present?.causes.delete(cause)) return;
    if (cause === 'record') this.#setRoutes(present, 0);
    if (present.causes.size > 0) return;
    this.#byId.delete(id);
    count(this.#connections, present.holder, -1);
  }

  connectionsOf(holder: Holder): Had {
    return of(this.#connections, holder, 0);
  }

  /** Without those of one connection. */
  routesOf(holder: Holder, besideId: string): Had {
    return of(this.#routes, holder, this.#byId.get(besideId)?.routes ?? 0);
  }

  #setRoutes(holding: Holding, routes: number): void {
    count(this.#routes, holding.holder, routes - holding.routes);
    holding.routes = routes;
  }
}

function count(tally: Tally, holder: Holder, by: number): void {
  for (const name of holderNames(holder)) tally.add(name, by);
}

function of(tally: Tally, holder: Holder, less: number): Had {
  const [pod, user] = holderNames(holder);
  return { pod: tally.of(pod) - less, user: tally.of(user) - less };
}
