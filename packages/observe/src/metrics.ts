// The metrics of a daemon, in the text format of Prometheus. The library is loaded when a daemon is to have metrics, and not before.
import type { Registry } from 'prom-client';
import { bucketsOf, type Meters, type MetricLiterals } from './metric.js';

type Library = typeof import('./prometheus.js');

export interface MetricsText {
  /** Content type. */
  readonly type: string;
  readonly body: string;
}

export class Metrics {
  readonly #library: Library;
  readonly #registry: Registry;
  readonly #readers: (() => Promise<void> | void)[] = [];
  #underWay: Promise<MetricsText> | undefined;

  private constructor(library: Library) {
    this.#library = library;
    this.#registry = new library.Registry();
  }

  static async open(): Promise<Metrics> {
    return new Metrics(await import('./prometheus.js'));
  }

  /** Makes the meters of what is declared. */
  meters<S extends MetricLiterals>(literals: S): Meters<S> {
    const { Counter, Gauge, Histogram } = this.#library;
    const registers = [this.#registry];
    const made = Object.entries(literals).map(([key, literal]) => {
      const { name, help, labels = [] } = literal;
      const declared = { name, help, labelNames: [...labels], registers };
      if (literal.type === 'histogram')
        return [key, new Histogram({ ...declared, buckets: [...bucketsOf[literal.buckets]] })];
      return [key, literal.type === 'counter' ? new Counter(declared) : new Gauge(declared)];
    });
    return Object.fromEntries(made) as Meters<S>;
  }

  /** @param read sets meters to what is the case now; called whenever somebody asks. What it throws leaves its meters as they were. */
  beforeEach(read: () => Promise<void> | void): void {
    this.#readers.push(read);
  }

  /** Whoever asks while others are being answered gets the same answer: many who ask cost no more than one. */
  text(): Promise<MetricsText> {
    this.#underWay ??= this.#read().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #read(): Promise<MetricsText> {
    await Promise.allSettled(this.#readers.map(async (read) => await read()));
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
