// What a manager waits for before it can serve: its table, its forwarder, the registry, its sockets.

export const needs = ['table', 'forwarder', 'registry', 'sockets'] as const;
export type Need = (typeof needs)[number];

export class Readiness {
  readonly #missing = new Map<Need, string>(needs.map((need) => [need, 'not yet']));
  readonly #listeners = new Set<() => void>();

  /** The needs that are not met, each with the reason. */
  get missing(): ReadonlyMap<Need, string> {
    return this.#missing;
  }

  get met(): boolean {
    return this.#missing.size === 0;
  }

  have(need: Need): void {
    if (this.#missing.delete(need)) this.#tell();
  }

  /** @param why for people. */
  lack(need: Need, why: string): void {
    if (this.#missing.get(need) === why) return;
    this.#missing.set(need, why);
    this.#tell();
  }

  /** @param listener is called whenever something else is missing. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
