// A collector of traces: it takes OTLP over HTTP in binary protobuf, and keeps every span.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
import { createServer, type Server } from 'node:http';
import type { TestNamespace } from '@nsm/testkit';
import { type Fields, fieldsOf, messageIn, messagesIn, textIn } from './wire.js';

export interface ReceivedSpan {
  /** `service.name` of the resource. */
  readonly service: string;
  /** `service.instance.id`. */
  readonly instance: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  /** Nanoseconds since the Unix epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Port of OTLP over HTTP. */
const port = 4318;

export class Collector implements AsyncDisposable {
  readonly url: string = `http://127.0.0.1:${port}`;
  readonly spans: ReceivedSpan[] = [];
  readonly #servers: Server[] = [];

  /** Listens in each namespace. */
  constructor(namespaces: readonly TestNamespace[]) {
    for (const { namespace } of namespaces) {
      const server = createServer(async (request, response) => {
        const parts: Buffer[] = [];
        for await (const part of request) parts.push(part as Buffer);
        if (request.url === '/v1/traces') this.spans.push(...spansIn(Buffer.concat(parts)));
        response.setHeader('content-type', 'application/x-protobuf');
        response.end();
      });
      // With an address Node.js would make the socket later, in another namespace.
      namespace.run(() => server.listen(port));
      this.#servers.push(server);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

const none: Fields = new Map();

function bytesIn(fields: Fields, number: number): Buffer {
  const value = fields.get(number)?.at(-1);
  return Buffer.from(value instanceof Uint8Array ? value : []);
}

/** KeyValue { key = 1, AnyValue value = 2 { string_value = 1 } } */
function attributesIn(fields: Fields, number: number): Record<string, string> {
  return Object.fromEntries(
    messagesIn(fields, number).map((pair) => [textIn(pair, 1), textIn(messageIn(pair, 2) ?? none, 1)]),
  );
}

/** ExportTraceServiceRequest { ResourceSpans = 1 { Resource = 1, ScopeSpans = 2 { Span = 2 } } } */
function spansIn(bytes: Uint8Array): ReceivedSpan[] {
  return messagesIn(fieldsOf(bytes), 1).flatMap((resourceSpans) => {
    const resource = attributesIn(messageIn(resourceSpans, 1) ?? none, 1);
    const spans = messagesIn(resourceSpans, 2).flatMap((scope) => messagesIn(scope, 2));
    return spans.map((span) => ({
      service: resource['service.name'] ?? '',
      instance: resource['service.instance.id'] ?? '',
      traceId: bytesIn(span, 1).toString('hex'),
      spanId: bytesIn(span, 2).toString('hex'),
      parentId: bytesIn(span, 4).toString('hex'),
      name: textIn(span, 5),
      start: bytesIn(span, 7).readBigUInt64LE(),
      end: bytesIn(span, 8).readBigUInt64LE(),
      attributes: attributesIn(span, 9),
    }));
  });
}
