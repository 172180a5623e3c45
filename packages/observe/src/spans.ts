// Spans of an order: one for the order, and one for each of its steps that this component and its forwarder took.
import type { HrTime, SpanContext } from '@opentelemetry/api';
import type { Course } from './course.js';
import type { ReadableSpan, Resource } from './otlp.js';
import type { Step } from './steps.js';
import { newSpanId } from './trace-context.js';

/** What the spans are of: this component, and the forwarder that works for it, which does not send its own. */
export interface SpanResources {
  readonly own: Resource;
  readonly forwarder: Resource;
}

/** As in @opentelemetry/api, which need not be loaded for it. */
const kinds = { internal: 0, server: 1, client: 2 } as const;
const unset = { code: 0 } as const;
const sampledFlag = 1;

/** Shared by all: spans of one scope are sent together when they have the same object. */
const scope = { name: 'nsm' };
const none: never[] = [];

/** A class, because objects that are put together of several are made ten times as slowly. */
class Span implements ReadableSpan {
  readonly name: string;
  readonly kind: number;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly resource: Resource;
  readonly attributes: Record<string, string>;
  readonly status: ReadableSpan['status'];
  readonly links: never[] = none;
  readonly events: never[] = none;
  readonly ended = true;
  readonly instrumentationScope: ReadableSpan['instrumentationScope'] = scope;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  readonly #context: SpanContext;

  constructor(fields: SpanFields) {
    const { startMs, durationMs, error } = fields;
    this.name = fields.name;
    this.kind = fields.kind;
    if (fields.parent) this.parentSpanContext = fields.parent;
    this.startTime = hrTime(startMs);
    this.endTime = hrTime(startMs + durationMs);
    this.duration = hrTime(durationMs);
    this.resource = fields.resource;
    this.attributes = fields.attributes;
    this.status = error === undefined ? unset : { code: 2, message: error };
    this.#context = fields.context;
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

interface SpanFields {
  readonly name: string;
  readonly kind: number;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly resource: Resource;
  readonly attributes: Record<string, string>;
  readonly error: string | undefined;
}

export function spansOf(course: Course, resources: SpanResources): ReadableSpan[] {
  const { subject, parent, startedAt, error, durationMs } = course;
  const own = contextOf(course, course.spanId);
  const spans = [
    new Span({
      name: course.kind,
      kind: parent ? kinds.server : kinds.internal,
      context: own,
      parent: parent ? { ...contextOf(course, parent.spanId), isRemote: true } : undefined,
      startMs: startedAt,
      durationMs,
      resource: resources.own,
      attributes: { ...named(subject), ...(error ? { 'error.type': error.code } : {}) },
      error: error?.toAdmissionError(),
    }),
  ];
  for (const step of course.list) {
    const resource = resourceOf(step, resources);
    if (!resource) continue;
    spans.push(
      new Span({
        name: step.name,
        kind: step.spanId ? kinds.client : kinds.internal,
        context: contextOf(course, spanIdOf(step)),
        parent: step.within ? contextOf(course, spanIdOf(step.within)) : own,
        startMs: startedAt + step.startMs,
        durationMs: step.durationMs ?? durationMs - step.startMs,
        resource,
        attributes: step.error ? { 'error.type': codeIn(step.error) } : {},
        error: step.error,
      }),
    );
  }
  return spans;
}

/** What others did is sent by them. */
function resourceOf({ manager, component }: Step, { own, forwarder }: SpanResources): Resource | undefined {
  if (manager !== '') return undefined;
  if (component === '') return own;
  return component === 'forwarder' ? forwarder : undefined;
}

function contextOf({ traceId }: Course, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: sampledFlag };
}

/** Others that were called in the step may know it already. */
function spanIdOf(step: Step): string {
  step.spanId ??= newSpanId();
  return step.spanId;
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
