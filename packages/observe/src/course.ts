// The course of one order through this component: why it was begun, its steps, and how it ended. Metrics, traces, logs and what operators
// see of an order are all made from it.
import { NsmError } from '@nsm/api';
import { type Reported, type Step, Steps, type Teller } from './steps.js';
import { newSpanId, newTraceId, type TraceContext, traceparent } from './trace-context.js';

/** `mend` brings the kernel back to what a connection's record says. */
export type CourseKind = 'connect' | 'heal' | 'close' | 'move' | 'mend';

/** What it is about, as far as that is known when it begins. */
export interface CourseSubject {
  readonly service?: string;
  readonly connection?: string;
  /** Of the connection. */
  readonly role?: string;
  /** Who asked for it, such as `client`. */
  readonly by?: string;
  /** Why, for a heal. */
  readonly cause?: string;
}

/** What a call carries, and who hears what was done for it. */
export interface StepCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly onSteps: (told: Reported) => void;
}

export interface CourseComponents {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called once, when the order has ended. */
  readonly onEnd: (course: Course) => void;
}

export class Course extends Steps {
  readonly kind: CourseKind;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number = Date.now();
  /** What the order is part of, at whoever asked for it. */
  readonly parent: TraceContext | undefined;
  readonly #components: CourseComponents;
  #subject: CourseSubject;
  #own: { readonly traceId: string; readonly spanId: string } | undefined;
  #end: { readonly atMs: number; readonly error: NsmError | undefined } | undefined;

  constructor(
    components: CourseComponents,
    kind: CourseKind,
    subject: CourseSubject = {},
    parent?: TraceContext,
  ) {
    super(components.now);
    this.#components = components;
    this.kind = kind;
    this.#subject = subject;
    this.parent = parent;
  }

  get subject(): CourseSubject {
    return this.#subject;
  }

  /** What has become known of what it is about. */
  about(more: CourseSubject): void {
    this.#subject = { ...this.#subject, ...more };
  }

  get traceId(): string {
    return this.#ids.traceId;
  }

  get spanId(): string {
    return this.#ids.spanId;
  }

  /** A trace that begins here is recorded by everybody who records traces. */
  get sampled(): boolean {
    return this.parent?.sampled ?? true;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** So far, where it is under way. */
  get durationMs(): number {
    return this.#end?.atMs ?? this.elapsedMs;
  }

  /** Why it failed. */
  get error(): NsmError | undefined {
    return this.#end?.error;
  }

  /** For a call that is made in a step: the work of whoever is called belongs to that step. */
  call(step: Step, teller: Teller): StepCall {
    step.spanId ??= newSpanId();
    const header = traceparent({ traceId: this.traceId, spanId: step.spanId, sampled: this.sampled });
    return { headers: { traceparent: header }, onSteps: (told) => this.include(step, told, teller) };
  }

  /** Idempotent. @param thrown why it failed; undefined: it did not. */
  end(thrown?: unknown): void {
    if (this.#end) return;
    const error = thrown === undefined ? undefined : NsmError.from(thrown);
    this.#end = { atMs: this.elapsedMs, error };
    this.#components.onEnd(this);
  }

  /** Runs all of an order. @throws whatever `run` throws. */
  async whole<T>(run: () => Promise<T>): Promise<T> {
    try {
      const value = await run();
      this.end();
      return value;
    } catch (thrown) {
      this.end(thrown);
      throw thrown;
    }
  }

  /** Made when somebody asks: most orders are not told to anybody. */
  get #ids(): { readonly traceId: string; readonly spanId: string } {
    this.#own ??= { traceId: this.parent?.traceId ?? newTraceId(), spanId: newSpanId() };
    return this.#own;
  }
}
