// A collector of traces: it takes OTLP over HTTP in binary protobuf, and keeps every span.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
import { createServer, type Server } from 'node:http';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { TestNamespace } from '@nsm/testkit';

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

type Field = Uint8Array | bigint;

/** The fields of a message by number. */
function fieldsOf(bytes: Uint8Array): Map<number, Field[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Field[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value =
      type === WireType.LengthDelimited
        ? reader.bytes()
        : type === WireType.Bit64
          ? BigInt(reader.fixed64())
          : type === WireType.Varint
            ? BigInt(reader.uint64())
            : BigInt(reader.fixed32());
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Map<number, Field[]>, number: number) =>
  (fields.get(number) ?? []).map((field) => fieldsOf(field as Uint8Array));
const text = (fields: Map<number, Field[]>, number: number): string =>
  Buffer.from((fields.get(number)?.[0] ?? new Uint8Array()) as Uint8Array).toString();
const hex = (fields: Map<number, Field[]>, number: number): string =>
  Buffer.from((fields.get(number)?.[0] ?? new Uint8Array()) as Uint8Array).toString('hex');

/** KeyValue { key = 1, AnyValue value = 2 { string_value = 1 } } */
function attributesOf(fields: Map<number, Field[]>, number: number): Record<string, string> {
  return Object.fromEntries(
    messages(fields, number).map((pair) => [text(pair, 1), text(messages(pair, 2)[0] ?? new Map(), 1)]),
  );
}

/** ExportTraceServiceRequest { ResourceSpans = 1 { Resource = 1, ScopeSpans = 2 { Span = 2 } } } */
function spansIn(bytes: Uint8Array): ReceivedSpan[] {
  return messages(fieldsOf(bytes), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1)[0] ?? new Map(), 1);
    const spans = messages(resourceSpans, 2).flatMap((scope) => messages(scope, 2));
    return spans.map((span) => ({
      service: resource['service.name'] ?? '',
      instance: resource['service.instance.id'] ?? '',
      traceId: hex(span, 1),
      spanId: hex(span, 2),
      parentId: hex(span, 4),
      name: text(span, 5),
      start: span.get(7)?.[0] as bigint,
      end: span.get(8)?.[0] as bigint,
      attributes: attributesOf(span, 9),
    }));
  });
}
