// Runs as a process inside a pod: a client and an endpoint made of the specification alone, on bare gRPC and bare sockets.

import { createServer, connect as openSocket, type Socket } from 'node:net';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Behaviour, FromAgent, Order, Outcome, ToAgent } from './pod-orders.js';
import { endpointConnectionReply, methods, readEndpointConnectionRequest } from './specification.js';

type Call = ServerUnaryCall<Buffer, Buffer>;
type Answer = sendUnaryData<Buffer>;

const clients = new Map<string, Promise<Client>>();
const kept = new Set<Socket>();
const held: (() => void)[] = [];
let behaviour: Behaviour = { kind: 'hang' };

const tell = (word: FromAgent): void => {
  process.send?.(word);
};
const asIs = (bytes: Buffer): Buffer => bytes;

/** `mtls:HOST:PORT` with the certificate of a manager, `operator:HOST:PORT` with that of an operator; anything else in plain text. */
const newClient = async (target: string): Promise<Client> => {
  const [, kind, secure = ''] = /^(mtls|operator):(.*)$/.exec(target) ?? [];
  if (kind === undefined) return new Client(target, credentials.createInsecure(), clientOptions);
  // Loads the public key infrastructure, which few agents use and which takes longer than all the rest of them.
  const { memberCredentials } = await import('./member-credentials.js');
  const shown = memberCredentials('agent', kind === 'operator' ? 'operator' : 'manager');
  return new Client(secure, shown, clientOptions);
};

const call = async (order: Extract<Order, { kind: 'call' }>): Promise<Outcome> => {
  const { target, method, request, timeoutMs } = order;
  const begun = clients.get(target) ?? newClient(target);
  clients.set(target, begun);
  const client = await begun;
  return await new Promise((resolve) => {
    client.makeUnaryRequest(
      method,
      asIs,
      asIs,
      Buffer.from(request, 'base64'),
      { deadline: Date.now() + timeoutMs },
      (error, reply) => {
        if (error) resolve({ kind: 'failed', code: error.code, details: error.details });
        else resolve({ kind: 'reply', bytes: (reply ?? Buffer.alloc(0)).toString('base64') });
      },
    );
  });
};

const answer = (request: Buffer, netns: string, reply: Answer, more = ''): void => {
  const { requestId, service } = readEndpointConnectionRequest(request);
  const known = endpointConnectionReply(requestId, service, netns);
  reply(null, Buffer.concat([known, Buffer.from(more, 'base64')]));
};

const asked = (incoming: Call, reply: Answer): void => {
  tell({ kind: 'asked', bytes: incoming.request.toString('base64') });
  const now = behaviour;
  switch (now.kind) {
    case 'answer':
      answer(incoming.request, now.netns, reply, now.more);
      return;
    case 'hold':
      held.push(() => answer(incoming.request, now.netns, reply));
      return;
    case 'fail':
      reply({ code: now.code, details: now.details });
      return;
    case 'hang':
      return;
    case 'die':
      process.kill(process.pid, 'SIGKILL');
  }
};

const serve = async (socket: string): Promise<Outcome> => {
  const server = new Server();
  const definition = {
    path: methods.requestEndpointConnection,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService({ RequestEndpointConnection: definition }, { RequestEndpointConnection: asked });
  return await new Promise((resolve) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      resolve(error ? { kind: 'failed', code: -1, details: error.message } : { kind: 'done' }),
    ),
  );
};

const listenSilently = (socket: string): Promise<Outcome> =>
  new Promise((resolve) => {
    const server = createServer((incoming) => {
      kept.add(incoming);
      incoming.on('error', () => incoming.destroy()).resume();
    });
    server.once('error', (error) => resolve({ kind: 'failed', code: -1, details: error.message }));
    server.listen(socket, () => resolve({ kind: 'done' }));
  });

const speak = ({ socket, bytes, patienceMs, keep }: Extract<Order, { kind: 'speak' }>): Promise<Outcome> =>
  new Promise((resolve) => {
    const open = typeof socket === 'string' ? openSocket(socket) : openSocket(socket.port, socket.host);
    kept.add(open);
    const received: Buffer[] = [];
    const end = (closed: boolean): void => {
      clearTimeout(timer);
      if (!keep) open.destroy();
      resolve({ kind: 'spoken', received: Buffer.concat(received).toString('base64'), closed });
    };
    const timer = setTimeout(() => end(false), patienceMs);
    open.on('data', (chunk) => received.push(chunk));
    open.once('close', () => end(true));
    open.once('error', () => end(true));
    open.once('connect', () => {
      open.write(Buffer.from(bytes, 'base64'));
      if (keep) end(false);
    });
  });

const obey = async (order: Order): Promise<Outcome> => {
  switch (order.kind) {
    case 'call':
      return await call(order);
    case 'serve':
      behaviour = order.behaviour;
      return await serve(order.socket);
    case 'behave':
      behaviour = order.behaviour;
      return { kind: 'done' };
    case 'release':
      for (const go of held.splice(0)) go();
      return { kind: 'done' };
    case 'listen-silently':
      return await listenSilently(order.socket);
    case 'speak':
      return await speak(order);
  }
};

const clientOptions = {
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
};

process.on('message', ({ id, order }: ToAgent) => {
  obey(order).then(
    (outcome) => tell({ kind: 'outcome', id, outcome }),
    (error: unknown) =>
      tell({ kind: 'outcome', id, outcome: { kind: 'failed', code: -1, details: String(error) } }),
  );
});
// The test is gone: nobody is left to stop this process.
process.once('disconnect', () => process.exit());
tell({ kind: 'ready' });
