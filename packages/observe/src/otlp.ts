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
 * @param onLost hears why spans could not be sent: they are lost.
 */
export function sender(
  endpoint: string,
  sendWithinMs: number,
  onLost: (error: Error) => void,
): BatchSpanProcessor {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  const exporter = new OTLPTraceExporter({ url: url.href, timeoutMillis: sendWithinMs });
  return new BatchSpanProcessor({
    exporter: {
      export: (spans, done) =>
        exporter.export(spans, (result) => {
          if (result.error) onLost(result.error);
          done(result);
        }),
      shutdown: () => exporter.shutdown(),
    },
    scheduledDelayMillis: gatherMs,
    exportTimeoutMillis: sendWithinMs,
    maxQueueSize: maxWaiting,
  });
}
