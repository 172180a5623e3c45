// Sends spans by OTLP over HTTP, in a file that is loaded when a component is told where to.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';

export { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
export type { BatchSpanProcessor, ReadableSpan } from '@opentelemetry/sdk-trace';

/** Milliseconds for which spans are gathered. */
const gatherMs = 1000;
/** Spans that wait for a collector that does not answer: some 100 orders. */
const maxWaiting = 2048;

/**
 * @param endpoint URL of the collector; without a path, `/v1/traces` is added.
 * @param sendWithinMs milliseconds that one attempt may take.
 */
export function sender(endpoint: string, sendWithinMs: number): BatchSpanProcessor {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url: url.href, timeoutMillis: sendWithinMs }),
    scheduledDelayMillis: gatherMs,
    exportTimeoutMillis: sendWithinMs,
    maxQueueSize: maxWaiting,
  });
}
