// Spans of what this process asks its manager for, and of what it serves: sent where it is told to, and otherwise not even made.
import { hostname } from 'node:os';
import { type CourseSubject, Courses, Traces } from '@nsm/observe';
import { otlpEndpointFromEnvironment } from './config.js';

export interface TracingOptions {
  /**
   * URL of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. Default: NSM_OTLP_ENDPOINT; without either no span is
   * made.
   */
  readonly otlpEndpoint?: string | undefined;
}

/** By collector and component: whoever connects again and again shares one. */
const opened = new Map<string, Promise<Traces>>();

/** @param name of the endpoint; for clients the host's. @returns courses whose spans are sent; undefined: nowhere. */
export function tracedCourses(
  component: 'client' | 'endpoint',
  { otlpEndpoint: endpoint = otlpEndpointFromEnvironment() }: TracingOptions,
  name: string = hostname(),
): Courses | undefined {
  if (endpoint === undefined) return undefined;
  const key = JSON.stringify([endpoint, component, name]);
  const traces = opened.get(key) ?? Traces.open({ endpoint, component, name });
  opened.set(key, traces);
  const courses = new Courses();
  courses.onEnd((course) => {
    // What cannot be loaded is as good as a collector that does not answer.
    traces.then(
      (ready) => ready.record(course),
      () => undefined,
    );
  });
  return courses;
}

/**
 * Makes a call as a span of its own where spans are sent, and otherwise as part of the caller's.
 * @param traceparent W3C trace context of the caller.
 */
export async function inTrace<T>(
  courses: Courses | undefined,
  subject: CourseSubject,
  traceparent: string | undefined,
  call: (headers: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  if (!courses) return await call(traceparent === undefined ? {} : { traceparent });
  const course = courses.begin('connect', subject, traceparent);
  return await course.whole(() =>
    course.step('ask the manager', (step) => call(course.call(step, { component: 'manager' }).headers)),
  );
}

/**
 * Sends spans that wait: for a process that is about to end. Resolves when that is done, or cannot be done in time.
 * @param withinMs milliseconds. Default: 1000.
 */
export async function flushTraces(withinMs = 1000): Promise<void> {
  await Promise.all(
    [...opened.values()].map((traces) =>
      traces.then(
        (ready) => ready.flush(withinMs),
        () => undefined,
      ),
    ),
  );
}
