// The metrics of a daemon, in the text format of Prometheus. Counting begins with the first reading: a daemon whose health
// alone is looked at does not even load the library.
import { bucketsOf, type Meters, type MetricLiterals } from './metric.js';

type Library = typeof import('./prometheus.js');

export interface MetricsText {
  /** Content type. */
  readonly type: string;
  readonly body: string;
}

/** A part that counts: it makes its meters, and hears of what they count from then on. */
export type Counting = (counted: Counted) => void;

/** What a part that counts needs. */
export interface Counted {
  /** Makes the meters of what is declared. */
  meters<S extends MetricLiterals>(literals: S): Meters<S>;
  /** @param read sets meters to what is the case now; called whenever somebody asks. What it throws leaves its meters as they were. */
  beforeEach(read: () => Promise<void> | void): void;
}

export class Metrics {
  readonly #parts: Counting[] = [];
  #loaded: Promise<LoadedMetrics> | undefined;
  #underWay: Promise<MetricsText> | undefined;

  /** @param part is called when somebody first asks, or at once where somebody has. */
  add(part: Counting): void {
    this.#parts.push(part);
    void this.#loaded?.then(part);
  }

  /** Readings at the same time get the same answer: many cost no more than one. */
  text(): Promise<MetricsText> {
    this.#underWay ??= this.#read().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #read(): Promise<MetricsText> {
    this.#loaded ??= import('./prometheus.js').then((library) => {
      const loaded = new LoadedMetrics(library);
      for (const part of this.#parts) part(loaded);
      return loaded;
    });
    return await (await this.#loaded).read();
  }
}

class LoadedMetrics implements Counted {
  readonly #library: Library;
  readonly #registry: InstanceType<Library['Registry']>;
  readonly #readers: (() => Promise<void> | void)[] = [];

  constructor(library: Library) {
    this.#library = library;
    this.#registry = new library.Registry();
  }

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

  beforeEach(read: () => Promise<void> | void): void {
    this.#readers.push(read);
  }

  async read(): Promise<MetricsText> {
    await Promise.allSettled(this.#readers.map(async (read) => await read()));
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
