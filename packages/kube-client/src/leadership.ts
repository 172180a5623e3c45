// Which one of many does what is to be done once: the holder of a Lease, as client-go's leader election decides.

import { pause } from '@nsm/api';
import { apiTime } from './api-time.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import type { KubeLogger } from './kube-logger.js';
import { type Lease, leases } from './resources.js';

export interface LeadershipOptions {
  readonly namespace: string;
  readonly name: string;
  /** Of this candidate; no other has it. */
  readonly identity: string;
  /** Silence after which another takes over, milliseconds. The holder renews its lease three times as often. */
  readonly leaseMs: number;
  /** Called when this candidate becomes the leader, with the signal of its end. */
  readonly lead: (ended: AbortSignal) => void;
  /** Of the lease object. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What the leader does, for the log: `keeps the records of the mesh`. */
  readonly task: string;
  readonly logger: KubeLogger;
}

/** Milliseconds that the last word, that another may lead, may take. */
const farewellMs = 1000;

/**
 * Time is measured by what this process sees change, never by the times that others wrote: clocks differ. A leader whose lease
 * cannot be renewed has ended before another begins.
 */
export class Leadership {
  readonly #kube: KubeClient;
  readonly #options: LeadershipOptions;
  readonly #stopped = new AbortController();
  /** The lease as it was last seen, and since when it has looked so. */
  #seen: { readonly version: string; readonly since: number } | undefined;
  #leading: AbortController | undefined;
  #standing: Promise<void> | undefined;
  #told = false;

  constructor(kube: KubeClient, options: LeadershipOptions) {
    this.#kube = kube;
    this.#options = options;
  }

  /** Stands from now on. */
  start(): void {
    this.#standing ??= this.#stand();
  }

  /** Gives the lease back, so that another leads at once. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#standing;
    if (!this.#leading) return;
    this.#leading.abort();
    this.#leading = undefined;
    await this.#try(true).catch(() => undefined);
  }

  async #stand(): Promise<void> {
    const { leaseMs, logger, identity, task } = this.#options;
    let renewed = 0;
    while (!this.#stopped.signal.aborted) {
      try {
        const held = await this.#try(false);
        this.#told = false;
        if (held) renewed = performance.now();
        if (held && !this.#leading) {
          this.#leading = new AbortController();
          logger.info({ identity }, `this process ${task}`);
          this.#options.lead(this.#leading.signal);
        } else if (!held) this.#end();
      } catch (error) {
        if (!this.#told) logger.warn({ err: error }, `no word about who ${task}`);
        this.#told = true;
        if (performance.now() - renewed > (leaseMs * 2) / 3) this.#end();
      }
      // Half of it is chance, so that candidates do not come all at once.
      const wait = this.#leading ? leaseMs / 3 : leaseMs * (0.25 + Math.random() / 4);
      await pause(wait, this.#stopped.signal);
    }
  }

  #end(): void {
    this.#leading?.abort();
    this.#leading = undefined;
  }

  /** Takes, renews or gives back the lease. @returns whether this candidate has it. */
  async #try(giveBack: boolean): Promise<boolean> {
    const { namespace, name, identity, leaseMs, labels } = this.#options;
    const timeoutMs = giveBack ? farewellMs : leaseMs / 3;
    const present = await this.#present(timeoutMs);
    const version = present?.metadata.resourceVersion ?? '';
    if (this.#seen?.version !== version) this.#seen = { version, since: performance.now() };
    const holder = present?.spec?.holderIdentity ?? '';
    const seconds = present?.spec?.leaseDurationSeconds ?? 0;
    const silentMs = performance.now() - this.#seen.since;
    if (holder !== identity && holder !== '' && silentMs < Math.max(leaseMs, seconds * 1000)) return false;
    const now = apiTime();
    const lease: Lease = {
      metadata: {
        name,
        namespace,
        ...(labels && { labels }),
        ...(present && { resourceVersion: version }),
      },
      spec: {
        holderIdentity: giveBack ? '' : identity,
        leaseDurationSeconds: giveBack ? 1 : Math.ceil(leaseMs / 1000),
        acquireTime: holder === identity ? (present?.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (present?.spec?.leaseTransitions ?? 0) + (holder === identity ? 0 : 1),
      },
    };
    try {
      const written = present
        ? await this.#kube.update(leases, lease, { timeoutMs })
        : await this.#kube.create(leases, lease, { timeoutMs });
      this.#seen = { version: written.metadata.resourceVersion ?? '', since: performance.now() };
      return !giveBack;
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) return false;
      throw error;
    }
  }

  async #present(timeoutMs: number): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    try {
      return await this.#kube.get(leases, { namespace, name }, { timeoutMs });
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }
}
