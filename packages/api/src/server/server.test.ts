// A server and a client over a unix socket and TCP: replies, refusals, streams, garbage, health and reflection.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, logVerbosity, type ServiceError, setLogVerbosity, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus } from '../gen/grpc/health/v1/health_pb.js';
import {
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from '../gen/grpc/reflection/v1/reflection_pb.js';
import { Channel, connect, NsmError, Server } from '../index.js';

describe('Server and Channel', () => {
  let folder: string;
  let server: Server;
  let channel: Channel;
  const errors: string[] = [];
  const crowds: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-api-'));
    server = new Server((error, method) => errors.push(`${method}: ${error.message}`), {
      onCrowd: ({ message }) => crowds.push(message),
    }).add(connect.ClientConnection, {
      async requestConnection(request, { peer }) {
        if (request.requestId === 'refuse') throw new NsmError('no-endpoint', 'nobody');
        if (request.requestId === 'bug') throw new TypeError('oops');
        return { accepted: true, admissionError: `${request.networkServiceName} for ${peer?.pid}` };
      },
      closeConnection: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      async *watchConnections() {
        for (let n = 0; n < 3; n++) yield { requestId: String(n) };
      },
    });
    await server.listenUnix(join(folder, 's'), {
      identify: () => ({ pid: 42, uid: 0, gid: 0, namespace: { inode: 7, cookie: 7n } }),
    });
    channel = new Channel(`unix:${join(folder, 's')}`);
  });
  afterEach(async () => {
    channel.close();
    await server.stop();
    rmSync(folder, { recursive: true });
    errors.length = 0;
    crowds.length = 0;
  });

  it('answers a unary call and knows its peer', async () => {
    const client = channel.client(connect.ClientConnection);
    const reply = await client.requestConnection({ requestId: 'a', networkServiceName: 'svc' });
    expect(reply).toMatchObject({ accepted: true, admissionError: 'svc for 42' });
  });

  const leftBehind = (path: string): void => {
    // A number below that of the socket is free then: a file system gives it to the folder that a server makes, and that of the socket
    // to the next socket.
    writeFileSync(`${path}.before`, '');
    execFileSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.exit())`,
    ]);
    rmSync(`${path}.before`);
  };

  it.each<[string, (path: string) => void]>([
    ['free', () => undefined],
    ['left behind by a process that died', leftBehind],
    ['a link that leads nowhere', (path) => symlinkSync('nowhere', path)],
    ['a link to itself', (path) => symlinkSync(path, path)],
  ])('gives a socket that is %s to exactly one of those that begin at once', async (_, prepare) => {
    const path = join(folder, 'contested');
    prepare(path);
    const servers = Array.from({ length: 5 }, () => new Server());
    try {
      const outcomes = await Promise.allSettled(servers.map((one) => one.listenUnix(path)));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ kind: 'conflict' });
      using there = new Channel(`unix:${path}`);
      expect(await there.client(Health).check({})).toMatchObject({
        status: HealthCheckResponse_ServingStatus.SERVING,
      });
    } finally {
      for (const one of servers) await one.stop();
    }
  });

  it('makes its socket again when it is removed, folder and all, and spares one that is not its own', async () => {
    const path = join(folder, 'run', 's');
    mkdirSync(join(folder, 'run'));
    const told: string[] = [];
    const other = new Server();
    await other.listenUnix(path, { mode: 0o640, onRemoved: (socket) => told.push(socket) });
    rmSync(join(folder, 'run'), { recursive: true });
    await vi.waitFor(() => expect(told).toEqual([path]), { timeout: 10_000 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
    using again = new Channel(`unix:${path}`);
    await expect(again.client(connect.ClientConnection).requestConnection({})).rejects.toMatchObject({
      kind: 'unimplemented',
    });
    rmSync(path);
    writeFileSync(path, 'of somebody else');
    await other.stop();
    expect(readFileSync(path, 'utf8')).toBe('of somebody else');
  });

  it('takes HOST:PORT for that, whatever the host is called', async () => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      await server.listenUnix(join(folder, '5001'));
      using near = new Channel('unix:./5001');
      await near.client(Health).check({});
      for (const address of ['unix:5001', 'dns:5001', 'ipv4:5001', 'unix-abstract:5001']) {
        using there = new Channel(address);
        const call = there.client(Health).check({}, { timeoutMs: 2000 });
        // The name is looked up, and nothing else is done with it.
        await expect(call).rejects.toMatchObject({
          message: expect.stringMatching(new RegExp(`${address}|no answer`)),
        });
        await expect(call).rejects.toMatchObject({
          kind: expect.stringMatching(/^(?:unavailable|deadline)$/),
        });
      }
    } finally {
      process.chdir(before);
    }
  });

  it('says why it cannot make a socket', async () => {
    await expect(new Server().listenUnix('/nonexist/a.sock')).rejects.toMatchObject({
      kind: 'invalid',
      message: 'cannot make /nonexist/a.sock: there is no folder /nonexist; make it first',
    });
  });

  it('says which address it cannot listen on, and why', async () => {
    const [one, two] = [new Server(), new Server()];
    // It would write of the failure to stderr as well.
    setLogVerbosity(logVerbosity.NONE);
    try {
      const address = `127.0.0.1:${await one.listenTcp('127.0.0.1:0')}`;
      await expect(two.listenTcp(address)).rejects.toMatchObject({
        kind: 'conflict',
        message: expect.stringMatching(`cannot listen on ${address}: another process listens there`),
      });
      await expect(two.listenTcp('192.0.2.1:5001')).rejects.toMatchObject({ kind: 'invalid' });
    } finally {
      setLogVerbosity(logVerbosity.ERROR);
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it('carries an error with its kind, and reports only internal ones', async () => {
    const client = channel.client(connect.ClientConnection);
    await expect(client.requestConnection({ requestId: 'refuse' })).rejects.toMatchObject({
      kind: 'no-endpoint',
      message: 'nobody',
    });
    await expect(client.requestConnection({ requestId: 'bug' })).rejects.toMatchObject({
      kind: 'internal',
      message: 'oops',
    });
    expect(errors).toEqual(['nsmconnect.ClientConnection/RequestConnection: oops']);
  });

  it('streams', async () => {
    const seen: string[] = [];
    for await (const event of channel.client(connect.ClientConnection).watchConnections({}))
      seen.push(event.requestId);
    expect(seen).toEqual(['0', '1', '2']);
  });

  it('cancels a call by signal and by deadline', async () => {
    const client = channel.client(connect.ClientConnection);
    await expect(client.closeConnection({}, { timeoutMs: 50 })).rejects.toMatchObject({ kind: 'deadline' });
    await expect(client.closeConnection({}, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });

  it('ends calls in their time, whatever the time of day is', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const client = channel.client(connect.ClientConnection);
      for (const days of [30, -60]) {
        const asked = client.requestConnection({ requestId: 'a' }, { timeoutMs: 10_000 });
        const unanswered = client.closeConnection({}, { timeoutMs: 50 });
        // It may end before the other is answered.
        unanswered.catch(() => undefined);
        vi.setSystemTime(Date.now() + days * 86_400_000);
        expect(await asked).toMatchObject({ accepted: true });
        await expect(unanswered).rejects.toMatchObject({ kind: 'deadline', message: 'no answer in 0.05 s' });
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps serving after garbage and oversized messages', async () => {
    const socket = netConnect(join(folder, 's'));
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(Buffer.from('GET / HTTP/1.1\r\n\r\n\0\xff\xfe'));
    await new Promise((resolve) => socket.once('close', resolve));
    const client = channel.client(connect.ClientConnection);
    await expect(client.requestConnection({ requestId: 'x'.repeat(2 << 20) })).rejects.toMatchObject({
      kind: 'overload',
    });
    expect((await client.requestConnection({ requestId: 'a' })).accepted).toBe(true);
  });

  it('refuses in few words what is said in many: a status is a header', async () => {
    const service = 'x'.repeat(100_000);
    const refusal = await channel
      .client(Health)
      .check({ service })
      .catch((error: NsmError) => error);
    expect(refusal).toMatchObject({
      kind: 'not-found',
      message: expect.stringMatching(/^no service x+… \(100016 characters\)$/),
    });
    expect((refusal as NsmError).message.length).toBeLessThan(3000);
  });

  it('refuses a socket that is served and replaces one that is not', async () => {
    const other = new Server();
    await expect(other.listenUnix(join(folder, 's'))).rejects.toMatchObject({ kind: 'conflict' });
    await other.stop();
  });

  it('notices at once that a server has gone', async () => {
    const lost = channel.lost(1000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.stop();
    await lost;
    await expect(channel.lost(100)).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('tells those who wait for an answer that it stops', async () => {
    const port = await server.listenTcp('127.0.0.1:0');
    const waits: Promise<ServiceError | null>[] = [];
    const clients: Client[] = [];
    for (const address of [`unix:${join(folder, 's')}`, `127.0.0.1:${port}`]) {
      // Not the word of this mesh alone: whoever calls from another language knows the status.
      const raw = new Client(address, credentials.createInsecure());
      const call = (path: string) =>
        new Promise<ServiceError | null>((resolve) =>
          raw.makeUnaryRequest(path, () => Buffer.alloc(0), String, null, resolve),
        );
      const waiting = call('/nsmconnect.ClientConnection/CloseConnection');
      const watching = new Promise<ServiceError>((resolve) =>
        raw
          .makeServerStreamRequest('/grpc.health.v1.Health/Watch', () => Buffer.alloc(0), String, null)
          .on('data', () => undefined)
          .on('error', (error) => resolve(error as ServiceError)),
      );
      await call('/grpc.health.v1.Health/Check');
      waits.push(waiting, watching);
      clients.push(raw);
    }
    await server.stop();
    for (const error of await Promise.all(waits))
      expect(error).toMatchObject({
        code: status.UNAVAILABLE,
        details: 'this process is stopping: ask again when it is back (NSM0007)',
      });
    for (const raw of clients) raw.close();
  });

  it('listens on TCP and tells the caller address', async () => {
    const port = await server.listenTcp('127.0.0.1:0');
    using tcp = new Channel(`127.0.0.1:${port}`);
    const reply = await tcp.client(connect.ClientConnection).requestConnection({ networkServiceName: 'svc' });
    expect(reply.admissionError).toBe('svc for undefined');
  });

  it('tells its health, and that it stops', async () => {
    const health = channel.client(Health);
    const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
    const service = 'nsmconnect.ClientConnection';
    expect(await health.check({})).toMatchObject({ status: SERVING });
    expect(await health.check({ service })).toMatchObject({ status: SERVING });
    await expect(health.check({ service: 'other' })).rejects.toMatchObject({ kind: 'not-found' });
    expect((await health.list({})).statuses[service]).toMatchObject({ status: SERVING });
    const unknown = health.watch({ service: 'other' })[Symbol.asyncIterator]();
    expect((await unknown.next()).value).toMatchObject({ status: SERVICE_UNKNOWN });
    await unknown.return?.();
    const watched = health.watch({ service })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ status: SERVING });
    const told = watched.next();
    const stopped = server.stop(500);
    expect((await told).value).toMatchObject({ status: NOT_SERVING });
    await watched.return?.();
    await stopped;
  });

  it.each(['v1', 'v1alpha'])('answers reflection %s', async (version) => {
    const raw = new Client(`unix:${join(folder, 's')}`, credentials.createInsecure());
    const call = raw.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      (request: NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>) =>
        Buffer.from(
          toBinary(
            ServerReflectionRequestSchema,
            create(ServerReflectionRequestSchema, { messageRequest: request }),
          ),
        ),
      (bytes: Buffer) => fromBinary(ServerReflectionResponseSchema, bytes),
    );
    call.write({ case: 'listServices', value: '' });
    call.write({ case: 'fileContainingSymbol', value: 'nsmconnect.ClientConnection.RequestConnection' });
    call.write({ case: 'fileContainingSymbol', value: 'nsmconnect.ConnectionRequest.request_id' });
    call.write({ case: 'fileByFilename', value: 'common.proto' });
    call.write({ case: 'fileContainingSymbol', value: 'nsmconnect.Nothing' });
    call.end({ case: 'allExtensionNumbersOfType', value: 'nsmconnect.ConnectionRequest' });
    const answers: unknown[] = [];
    for await (const { messageResponse } of call as AsyncIterable<ServerReflectionResponse>)
      answers.push(
        messageResponse.case === 'fileDescriptorResponse'
          ? messageResponse.value.fileDescriptorProto.map(
              (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
            )
          : messageResponse.case === 'listServicesResponse'
            ? messageResponse.value.service.map(({ name }) => name)
            : messageResponse.case === 'errorResponse'
              ? messageResponse.value.errorCode
              : messageResponse.case,
      );
    raw.close();
    const imports = ['nsmconnect.proto', 'common.proto'];
    expect(answers).toEqual([
      ['nsmconnect.ClientConnection', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection'],
      imports,
      imports,
      ['common.proto'],
      5,
      5,
    ]);
  });
});
