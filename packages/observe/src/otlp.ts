// Sends spans by OTLP over HTTP, in a file that is loaded when a component is told where to.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

export { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
export type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** @returns undefined when the collector has them, else why it does not. Never throws. */
export type Send = (spans: ReadableSpan[]) => Promise<Error | undefined>;

/**
 * @param endpoint URL of the collector; without a path, `/v1/traces` is added.
 * @param withinMs milliseconds that one attempt may take.
 */
export function senderTo(endpoint: string, withinMs: number): Send {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  const exporter = new OTLPTraceExporter({ url: url.href, timeoutMillis: withinMs });
  return (spans) => new Promise((resolve) => exporter.export(spans, ({ error }) => resolve(error)));
}
