// Managers whose objects were removed: by themselves when they left, or by an operator who knows that a node will not come back.
import type { KubeClient } from '@nsm/kube-client';
import type { Clock } from '../clock.js';
import type { RegistryLogger } from '../registry.js';
import { releaseClaims } from './claim-writes.js';

/** Milliseconds within which a manager that is alive writes its object again. */
const goneMs = 15_000;

export interface RemovedManagersComponents {
  readonly kube: KubeClient;
  readonly home: string;
  readonly clock: Clock;
  readonly logger: RegistryLogger;
}

/** Gives their claims back, those too that came late. */
export class RemovedManagers {
  readonly #components: RemovedManagersComponents;
  readonly #isGone: (name: string) => boolean;
  readonly #timers = new Map<string, Disposable>();

  constructor(components: RemovedManagersComponents, isGone: (name: string) => boolean) {
    this.#components = components;
    this.#isGone = isGone;
  }

  add(name: string): void {
    const { clock, kube, home, logger } = this.#components;
    this.#timers.get(name)?.[Symbol.dispose]();
    const timer = clock.after(goneMs, async () => {
      this.#timers.delete(name);
      if (!this.#isGone(name)) return;
      try {
        await releaseClaims(kube, home, name);
      } catch (error) {
        logger.warn(
          { peer: name, err: error },
          'the claims of a manager that was removed are not given back',
        );
      }
    });
    this.#timers.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
  }
}
