// Traces, sent to whoever gathers them (OTLP over HTTP). Spans are made of the steps that each order has anyhow, when they are sent; the
// library that sends them is loaded when a component is told where to, and not before.

import { within } from '@nsm/api';
import type { Course } from './course.js';
import type { Send } from './otlp.js';
import { type SpanResources, spansOf } from './spans.js';

export interface TracesOptions {
  /** URL of the collector, such as `http://127.0.0.1:4318`; without a path, `/v1/traces` is added. */
  readonly endpoint: string;
  /** What this is, such as `manager`: `service.name` is `nsm-manager`. */
  readonly component: string;
  /** Which of them, such as the name of the manager: `service.instance.id`. */
  readonly name: string;
  readonly version?: string;
  /** Hears why orders could not be sent: they are lost. Default: nobody does. */
  readonly onLost?: (error: Error) => void;
}

/** Milliseconds for which orders are gathered, and that one attempt to send them may take. */
const gatherMs = 1000;
const sendWithinMs = 5000;
/** Orders that wait for a collector that is slow, and that are sent together: their spans are made within some milliseconds. */
const maxWaiting = 1024;
const sentAtOnce = 32;

interface TracesComponents {
  readonly send: Send;
  readonly resources: SpanResources;
  readonly onLost: (error: Error) => void;
}

export class Traces {
  readonly #components: TracesComponents;
  readonly #waiting: Course[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  private constructor(components: TracesComponents) {
    this.#components = components;
  }

  static async open({
    endpoint,
    component,
    name,
    version = '',
    onLost = () => undefined,
  }: TracesOptions): Promise<Traces> {
    const { senderTo, resourceFromAttributes } = await import('./otlp.js');
    const resource = (what: string): SpanResources['own'] =>
      resourceFromAttributes({
        'service.name': `nsm-${what}`,
        'service.instance.id': name,
        ...(version ? { 'service.version': version } : {}),
      });
    const resources = { own: resource(component), forwarder: resource('forwarder') };
    return new Traces({ send: senderTo(endpoint, sendWithinMs), resources, onLost });
  }

  /** Takes an order that has ended, if its caller wants it recorded: what this component and its forwarder did for it. */
  record(course: Course): void {
    // An order without a step did nothing.
    if (!course.sampled || course.isEmpty) return;
    if (this.#waiting.length >= maxWaiting)
      this.#components.onLost(new Error(`${maxWaiting} orders wait for the collector already`));
    else this.#waiting.push(course);
    this.#timer ??= setTimeout(() => void this.#send(), gatherMs).unref();
  }

  /** Sends what waits. Resolves when that is done, or cannot be done in time. */
  async flush(withinMs: number = sendWithinMs): Promise<void> {
    await within(withinMs, this.#send(), () => undefined);
  }

  #send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    const { send, resources, onLost } = this.#components;
    while (this.#waiting.length > 0) {
      const courses = this.#waiting.splice(0, sentAtOnce);
      const error = await send(courses.flatMap((course) => spansOf(course, resources)));
      if (error) onLost(error);
    }
  }
}
