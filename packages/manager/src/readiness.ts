// What a manager waits for before it can serve: its table, its forwarder, the registry, its sockets; and that its state can be written.

const parts = ['table', 'forwarder', 'registry', 'sockets'] as const;
type Part = (typeof parts)[number];
export type Need = Part | 'state';
export const needs: readonly Need[] = [...parts, 'state'];

export class Readiness {
  readonly #missing = new Map<Part, string>(parts.map((need) => [need, 'not yet']));
  readonly #listeners = new Set<() => void>();

  /** Why the state cannot be written; '' when it can. Listeners do not hear of its changes: it is tried at each `missing()`. */
  tryState: () => Promise<string> = async () => '';

  /** The needs that are not met, each with the reason. */
  async missing(): Promise<ReadonlyMap<Need, string>> {
    const refusal = await this.tryState();
    return new Map<Need, string>([
      ...this.#missing,
      ...(refusal === '' ? [] : [['state', refusal] as const]),
    ]);
  }

  /** Every part is there. */
  get met(): boolean {
    return this.#missing.size === 0;
  }

  have(need: Part): void {
    if (this.#missing.delete(need)) this.#tell();
  }

  /** @param why for people. */
  lack(need: Part, why: string): void {
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
