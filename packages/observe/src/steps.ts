// The steps of a piece of work: what was done, when, and how long it took. Numbers of the monotonic clock and one short array; nothing is
// said to anybody here.
import { create } from '@bufbuild/protobuf';
import { NsmError, type Step as StepMessage, StepSchema } from '@nsm/api';

/** One step. Its times are milliseconds since the work began. */
export interface Step {
  readonly name: string;
  /** Name of the manager on whose node it was done; '' for the own one. */
  readonly manager: string;
  /** Who did it, where another component did: `manager`, `forwarder` or `endpoint`. */
  readonly component: string;
  readonly startMs: number;
  /** Undefined while it is under way. */
  durationMs?: number;
  error?: string;
  /** Of the step within which another component took it. */
  readonly within?: Step;
  /** By which others that were called in it know it: see `Course.headers`. */
  spanId?: string;
}

/** What another component tells of its part of a step. */
export interface Reported {
  readonly steps: readonly StepMessage[];
  /** Milliseconds that all of it took there. */
  readonly tookMs: number;
}

/** Steps of one piece of work that are kept, the latest: a heal that is tried for hours has more. */
const maxSteps = 64;
/** Characters of a step's name, and of what it failed with: another component may have worded them. */
const maxName = 64;
const maxError = 512;
/** Milliseconds: a shorter wait is none. */
const shortestWaitMs = 0.5;

export class Steps {
  readonly #now: () => number;
  readonly #begunAt: number;
  readonly #steps: Step[] = [];

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#begunAt = now();
  }

  /** Milliseconds since the work began. */
  get elapsedMs(): number {
    return this.#now() - this.#begunAt;
  }

  /** In the order in which they began. */
  get list(): readonly Step[] {
    return this.#steps.toSorted((a, b) => a.startMs - b.startMs);
  }

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** Takes a step. @throws whatever `run` throws. */
  async step<T>(name: string, run: (step: Step) => Promise<T> | T): Promise<T> {
    const step: Step = { name, manager: '', component: '', startMs: this.elapsedMs };
    this.#add(step);
    try {
      return await run(step);
    } catch (thrown) {
      step.error = NsmError.from(thrown).toAdmissionError().slice(0, maxError);
      throw thrown;
    } finally {
      step.durationMs = this.elapsedMs - step.startMs;
    }
  }

  /** Notes that the work has waited until now. @param fromMs milliseconds since the work began. */
  waited(name: string, fromMs: number): void {
    const durationMs = this.elapsedMs - fromMs;
    if (durationMs >= shortestWaitMs)
      this.#add({ name, manager: '', component: '', startMs: fromMs, durationMs });
  }

  /**
   * Adds what another component tells of its part of a step that is under way. The clocks of two nodes are not compared: what the call
   * took beyond the other's work is taken to be half of it the way there (as in RFC 5905, section 8).
   */
  include(within: Step, { steps, tookMs }: Reported, { component, manager = '' }: Teller): void {
    const spentMs = this.elapsedMs - within.startMs;
    const offsetMs = within.startMs + Math.max(0, spentMs - bounded(tookMs, spentMs)) / 2;
    for (const one of steps.slice(-maxSteps)) {
      const startMs = offsetMs + bounded(one.startMs, spentMs);
      this.#add({
        name: one.name.slice(0, maxName),
        manager,
        // A manager tells of its own node's forwarder and endpoints, too; they tell of themselves.
        component: component === 'manager' && components.has(one.component) ? one.component : component,
        startMs,
        durationMs: bounded(one.durationMs, spentMs),
        within,
        ...(one.error ? { error: one.error.slice(0, maxError) } : {}),
      });
    }
  }

  /** As it is told to others. @param self name of the own manager, @param component what this is. */
  report(component: Teller['component'], self = ''): StepMessage[] {
    return this.list.map((step) =>
      create(StepSchema, {
        name: step.name,
        manager: step.manager || self,
        component: step.component || component,
        startMs: step.startMs,
        durationMs: step.durationMs ?? this.elapsedMs - step.startMs,
        error: step.error ?? '',
      }),
    );
  }

  #add(step: Step): void {
    this.#steps.push(step);
    if (this.#steps.length > maxSteps) this.#steps.shift();
  }
}

/** Who tells of steps: what it says of others is not asked. */
export interface Teller {
  readonly component: 'manager' | 'forwarder' | 'endpoint';
  /** Name of the manager of its node. Default: the own one. */
  readonly manager?: string;
}

const components: ReadonlySet<string> = new Set(['manager', 'forwarder', 'endpoint']);

/** What another component says lies within the step, whatever it says. */
function bounded(milliseconds: number, most: number): number {
  return Number.isFinite(milliseconds) ? Math.min(Math.max(0, milliseconds), most) : 0;
}
