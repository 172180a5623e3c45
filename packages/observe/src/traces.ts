// Spans of orders, sent to whoever gathers traces (OTLP over HTTP). They are made of the steps that each order has anyhow; the library
// that sends them is loaded when a daemon is told where to, and not before.
import type { HrTime, SpanContext } from '@opentelemetry/api';
import type { Course } from './course.js';
import type { BatchSpanProcessor, ReadableSpan, Resource } from './otlp.js';
import type { Step } from './steps.js';
import { newSpanId } from './trace-context.js';

export interface TracesOptions {
  /** URL of the collector, such as `http://127.0.0.1:4318`; without a path, `/v1/traces` is added. */
  readonly endpoint: string;
  /** What this is, such as `manager`: `service.name` is `nsm-manager`. */
  readonly component: string;
  /** Which of them, such as the name of the manager: `service.instance.id`. */
  readonly name: string;
  readonly version?: string;
  /** Hears why spans could not be sent: they are lost. Default: nobody does. */
  readonly onLost?: (error: Error) => void;
}

/** Milliseconds that one attempt to send spans may take. */
const sendWithinMs = 5000;

/** As in @opentelemetry/api, which need not be loaded for it. */
const internal = 0;
const server = 1;
const client = 2;
const unset = { code: 0 } as const;
const sampledFlag = 1;

export class Traces {
  readonly #processor: BatchSpanProcessor;
  /** By what did a step. */
  readonly #resources: { readonly own: Resource; readonly forwarder: Resource };

  private constructor(processor: BatchSpanProcessor, resources: { own: Resource; forwarder: Resource }) {
    this.#processor = processor;
    this.#resources = resources;
  }

  static async open({
    endpoint,
    component,
    name,
    version = '',
    onLost = () => undefined,
  }: TracesOptions): Promise<Traces> {
    const { sender, resourceFromAttributes } = await import('./otlp.js');
    const resource = (what: string): Resource =>
      resourceFromAttributes({
        'service.name': `nsm-${what}`,
        'service.instance.id': name,
        ...(version ? { 'service.version': version } : {}),
      });
    return new Traces(sender(endpoint, sendWithinMs, onLost), {
      own: resource(component),
      forwarder: resource('forwarder'),
    });
  }

  /** Sends an order that has ended, if its caller wants it recorded: what this component and its forwarder did for it. */
  record(course: Course): void {
    // An order without a step did nothing.
    if (!course.sampled || course.isEmpty) return;
    const { subject, parent, startedAt, error } = course;
    const times = (startMs: number, durationMs: number) => timesOf(startedAt + startMs, durationMs);
    this.#send({
      name: course.kind,
      kind: parent ? server : internal,
      ...times(0, course.durationMs),
      context: contextOf(course, course.spanId),
      parent: parent ? { ...contextOf(course, parent.spanId), isRemote: true } : undefined,
      resource: this.#resources.own,
      error: error?.toAdmissionError(),
      attributes: { ...named(subject), ...(error ? { 'error.type': error.code } : {}) },
    });
    for (const step of course.list) {
      const resource = this.#resourceOf(step);
      if (!resource) continue;
      this.#send({
        name: step.name,
        kind: step.spanId ? client : internal,
        ...times(step.startMs, step.durationMs ?? course.durationMs - step.startMs),
        context: contextOf(course, spanIdOf(step)),
        parent: contextOf(course, step.within ? spanIdOf(step.within) : course.spanId),
        resource,
        error: step.error,
        attributes: step.error ? { 'error.type': codeIn(step.error) } : {},
      });
    }
  }

  /** Sends what waits. Resolves when that is done, or cannot be done in time. */
  async flush(withinMs: number = sendWithinMs): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs);
    });
    await Promise.race([this.#processor.forceFlush().catch(() => undefined), late]);
    clearTimeout(timer);
  }

  /** What others did is sent by them; a forwarder works for its manager, which tells for both. */
  #resourceOf({ manager, component }: Step): Resource | undefined {
    if (manager !== '') return undefined;
    if (component === '') return this.#resources.own;
    return component === 'forwarder' ? this.#resources.forwarder : undefined;
  }

  #send({ context, parent, error, ...span }: SpanFields): void {
    const readable: ReadableSpan = {
      ...span,
      spanContext: () => context,
      ...(parent ? { parentSpanContext: parent } : {}),
      status: error === undefined ? unset : { code: 2, message: error },
      links: [],
      events: [],
      ended: true,
      instrumentationScope: { name: 'nsm' },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
    this.#processor.onEnd(readable);
  }
}

interface SpanFields
  extends Pick<
    ReadableSpan,
    'name' | 'kind' | 'startTime' | 'endTime' | 'duration' | 'resource' | 'attributes'
  > {
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  readonly error: string | undefined;
}

function contextOf({ traceId }: Course, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: sampledFlag };
}

/** Others that were called in the step may know it already. */
function spanIdOf(step: Step): string {
  step.spanId ??= newSpanId();
  return step.spanId;
}

/** @param startMs milliseconds since the Unix epoch. */
function timesOf(
  startMs: number,
  durationMs: number,
): Pick<ReadableSpan, 'startTime' | 'endTime' | 'duration'> {
  return {
    startTime: hrTime(startMs),
    endTime: hrTime(startMs + durationMs),
    duration: hrTime(durationMs),
  };
}

function hrTime(milliseconds: number): HrTime {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.round((milliseconds - seconds * 1000) * 1e6)];
}

/** `nsm.service` and so on. */
function named(subject: object): Record<string, string> {
  return Object.fromEntries(Object.entries(subject).map(([key, value]) => [`nsm.${key}`, String(value)]));
}

/** As `NsmError.toAdmissionError` writes it. */
function codeIn(error: string): string {
  return /\((NSM\d{4})\)$/.exec(error)?.[1] ?? '_OTHER';
}
