// Runs as a process in a node's namespace, from where every socket of the mesh is reached, and fills them with nonsense.
import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, status } from '@grpc/grpc-js';
import { admin, connect, endpoint, forwarder, proxy, registry } from '@nsm/api';
import { memberCredentials } from '../mesh/member-credentials.js';
import { fuzzInput, type Vocabulary } from './fuzz-messages.js';
import { type Address, speakNonsense } from './fuzz-sockets.js';
import { Random } from './random.js';

export interface FuzzJob {
  readonly seed: number;
  /** Calls and plain connections in all. */
  readonly inputs: number;
  readonly sockets: readonly { readonly name: string; readonly address: Address }[];
  readonly vocabulary: Vocabulary;
}

export interface FuzzResult {
  /** Calls by socket and gRPC status, and plain connections under `nonsense`. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Calls that were not answered within their deadline, each with the seed that makes its input again. */
  readonly unanswered: readonly string[];
}

interface Method {
  readonly path: string;
  readonly streams: boolean;
  readonly input: DescMethod['input'];
}

/** Calls at once: enough to keep two cores busy. */
const atOnce = 32;
/** Milliseconds; the managers' own deadline is 10 s. */
const deadline = 20_000;
/** Milliseconds for which a stream is listened to. */
const listening = 50;

const services: Readonly<Record<string, readonly DescService[]>> = {
  'client.sock': [connect.ClientConnection],
  'endpoint.sock': [endpoint.EndpointOperations],
  'admin.sock': [admin.Admin],
  'forwarder.sock': [forwarder.Forwarder],
  'endpoint of the SDK': [endpoint.EndpointConnection],
  manager: [proxy.ProxyConnection],
  registry: [registry.Registry],
};
const everyService = Object.values(services).flat();

const methodsOf = (all: readonly DescService[]): Method[] =>
  all.flatMap(({ typeName, methods }) =>
    methods.map(({ name, methodKind, input }) => ({
      path: `/${typeName}/${name}`,
      streams: methodKind === 'server_streaming',
      input,
    })),
  );

/** What every server has beside its own. */
const standard: readonly Method[] = [
  { path: '/grpc.health.v1.Health/Check', streams: false, input: EmptySchema },
  { path: '/grpc.health.v1.Health/Watch', streams: true, input: EmptySchema },
  { path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', streams: true, input: EmptySchema },
  { path: '/no.such.Service/Method', streams: false, input: EmptySchema },
];

const asIs = (bytes: Buffer): Buffer => bytes;

function call(client: Client, { path, streams }: Method, bytes: Buffer): Promise<number> {
  const options = { deadline: Date.now() + deadline };
  return new Promise((resolve) => {
    if (!streams) {
      client.makeUnaryRequest(path, asIs, asIs, bytes, options, (error) => resolve(error?.code ?? status.OK));
      return;
    }
    const stream = client.makeServerStreamRequest(path, asIs, asIs, bytes, options);
    const timer = setTimeout(() => stream.cancel(), listening);
    stream.on('data', () => undefined);
    stream.on('error', () => undefined);
    stream.once('status', ({ code }) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

async function fuzz({ seed, inputs, sockets, vocabulary }: FuzzJob): Promise<FuzzResult> {
  const counts = Object.fromEntries(sockets.map(({ name }) => [name, {} as Record<string, number>]));
  const count = (name: string, result: string): void => {
    const results = counts[name] ?? {};
    results[result] = (results[result] ?? 0) + 1;
  };
  const unanswered: string[] = [];
  const targets = sockets.map(({ name, address }) => {
    const target = typeof address === 'string' ? `unix:${address}` : `${address.host}:${address.port}`;
    const security = typeof address === 'string' ? credentials.createInsecure() : memberCredentials('fuzz');
    const client = new Client(target, security, {
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': -1,
      'grpc.max_reconnect_backoff_ms': 200,
    });
    return { name, address, client, own: methodsOf(services[name] ?? []) };
  });
  const others = [...methodsOf(everyService), ...standard];

  const one = async (own: number): Promise<void> => {
    const random = new Random(own);
    const { name, address, client, own: methods } = random.of(targets);
    if (random.chance(0.1)) {
      await speakNonsense(address, random);
      return count(name, 'nonsense');
    }
    const method = random.of(random.chance(0.1) || methods.length === 0 ? others : methods);
    const bytes = Buffer.from(fuzzInput(method.input, random, vocabulary));
    const code = await call(client, method, bytes);
    count(name, status[code] ?? String(code));
    if (code === status.DEADLINE_EXCEEDED) unanswered.push(`${name} ${method.path}, seed ${own}`);
  };

  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < inputs) await one(seed + next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  for (const { client } of targets) client.close();
  return { counts, unanswered };
}

process.once('message', (job: FuzzJob) => {
  fuzz(job).then((result) => {
    process.send?.(result, () => process.exit());
  });
});
// The test is gone.
process.once('disconnect', () => process.exit());
