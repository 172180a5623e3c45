// Peers that do not speak gRPC, speak too much of it, or fall silent: on every socket, and nobody else notices.
import { existsSync } from 'node:fs';
import { requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { labels } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { managerPort } from '../mesh/mesh-node.js';
import {
  connectionRequest,
  endpointAdvertiseRequest,
  methods,
  proxyConnectionRequest,
  readVerdict,
} from '../mesh/specification.js';
import { thorough } from '../reliability/config.js';

const sockets = [
  'client.sock',
  'endpoint.sock',
  'admin.sock',
  'the TCP port',
  "an endpoint's socket",
] as const;
type Socket = (typeof sockets)[number];

const tlsHello = Buffer.concat([
  Buffer.from('160301002f0100002b0303', 'hex'),
  Buffer.alloc(32, 7),
  Buffer.from('000002130101000000', 'hex'),
]);
const http2 = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const words: readonly (readonly [string, Uint8Array | string])[] = [
  ['garbage', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919 + 13) & 0xff))],
  ['zeros', Buffer.alloc(65_536)],
  ['a TLS hello', tlsHello],
  ['HTTP/1', 'GET / HTTP/1.1\r\nHost: nsm\r\n\r\n'],
  ['half a preface', http2.slice(0, 10)],
  // A frame header that promises 16 MiB, of which nothing comes.
  [
    'a preface and a frame too large',
    Buffer.concat([Buffer.from(http2), Buffer.from('ffffff000000000001', 'hex')]),
  ],
  [
    'a preface and frames out of order',
    Buffer.concat([Buffer.from(http2), Buffer.from('00000400ff00000001deadbeef', 'hex')]),
  ],
];

describe.skipIf(!requireRoot('hostile peers'))('hostile peers', () => {
  let mesh: Mesh;
  let client: Pod;
  let agent: Agent;
  let onNode: Agent;

  beforeAll(async () => {
    mesh = await Mesh.start();
    client = mesh.pod('client');
    [agent, onNode] = await Promise.all([
      mesh.agent(client),
      mesh.agent(mesh.a),
      mesh.endpoint(mesh.a, { pod: mesh.pod('here'), name: 'here', services: ['good'] }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('there'), name: 'there', services: ['far'] }),
    ]);
    await mesh.a.knows('good/here', 'far/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const addressOf = (socket: Socket): string | { host: string; port: number } => {
    if (socket === 'the TCP port') return { host: mesh.a.address, port: managerPort };
    return `${mesh.a.runDir}/${socket === "an endpoint's socket" ? 'endpoints/here.sock' : socket}`;
  };
  const expectService = async (): Promise<void> => {
    for (const service of ['good', 'far']) {
      const request = { requestId: 'good', service, netns: client.netns };
      expect(await agent.connect(mesh.a.runDir, request)).toMatchObject({ accepted: true, error: '' });
      await agent.close(mesh.a.runDir, 'good', service);
    }
    expect(await mesh.sweep()).toEqual([]);
  };

  describe.each(sockets)('on %s', (socket) => {
    it(`${words.map(([name]) => name).join(', ')}: others are served`, async () => {
      const open = words.map(async ([name, bytes]) => {
        const { received } = await onNode.speak(addressOf(socket), bytes, { patienceMs: 300 });
        return { name, received };
      });
      await expectService();
      // Nothing that looks like success, and no stack of ours.
      const looks = /HTTP\/1\.\d 200|file:\/\/|node:internal/;
      expect((await Promise.all(open)).filter(({ received }) => looks.test(received))).toEqual([]);
      // It is the one that was started.
      expect(mesh.a.manager.child).toMatchObject({ exitCode: null, signalCode: null });
    });

    it('two hundred who connect and fall silent: others are served', async () => {
      const silent = await mesh.agent(mesh.a);
      await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          silent.speak(addressOf(socket), index % 2 ? http2 : '', { keep: true }),
        ),
      );
      await expectService();
      await silent.stop();
    });
  });

  describe.each([
    [
      'client.sock',
      methods.requestConnection,
      (padding: string) => connectionRequest({ requestId: 'big', service: 'good', netns: padding }),
    ],
    [
      'endpoint.sock',
      methods.advertiseEndpoint,
      (padding: string) => endpointAdvertiseRequest({ service: 'big', name: 'big', socket: padding }),
    ],
    [
      'the TCP port',
      methods.requestProxyConnection,
      (padding: string) =>
        proxyConnectionRequest({ requestId: 'big', service: padding, provider: 'x', tunnels: [1] }),
    ],
  ] as const)('too much on %s', (socket, method, request) => {
    const target = (): string =>
      socket === 'the TCP port' ? mesh.a.mtls : `unix:${mesh.a.runDir}/${socket}`;

    // Not thoroughly, each socket gets one that is much too much.
    const much = { 'client.sock': 32, 'endpoint.sock': 4, 'the TCP port': 4 }[socket];
    it.each(thorough ? [1, 4, 32] : [1, much])('%i MiB and a little', async (size) => {
      const caller = socket === 'the TCP port' ? onNode : agent;
      const called = await caller.call(target(), method, request('x'.repeat((size << 20) + 1)));
      expect(called).toMatchObject({
        kind: 'failed',
        code: 8,
        details: expect.stringMatching(/larger than max.*1048576/),
      });
      await expectService();
    });

    it('just below: refused for what it says', async () => {
      const caller = socket === 'the TCP port' ? onNode : agent;
      const called = await caller.call(target(), method, request('x'.repeat((1 << 20) - 4096)));
      if (called.kind === 'failed') throw new Error(called.details);
      expect(readVerdict(called.bytes).accepted).toBe(false);
      expect(readVerdict(called.bytes).error.length).toBeLessThan(1000);
      await expectService();
    });

    it.each([
      ['a method that is none', method.replace(/\/\w+$/, '/Request'), 12],
      ['a service that is none', '/nsm.Nothing/Request', 12],
      ['no method', '/', 12],
    ])('%s: unimplemented, by name', async (_, wrong, code) => {
      const caller = socket === 'the TCP port' ? onNode : agent;
      const called = await caller.call(target(), wrong, new Uint8Array());
      expect(called).toMatchObject({ kind: 'failed', code, details: expect.stringContaining(wrong) });
    });

    it('bytes that are no message: said so, not an internal error', async () => {
      const caller = socket === 'the TCP port' ? onNode : agent;
      const called = await caller.call(target(), method, Uint8Array.of(0x0a, 0xff, 0x01));
      expect(called).toMatchObject({
        kind: 'failed',
        details: expect.stringMatching(/deserializ|decod|malformed|premature/i),
      });
      await expectService();
    });
  });

  it('an operator’s socket is closed to others', async () => {
    const nobody = await mesh.agent(client, { user: 65534 });
    const called = await nobody.call(
      `unix:${mesh.a.runDir}/admin.sock`,
      '/nsmadmin.Admin/ListConnections',
      new Uint8Array(),
      2_000,
    );
    expect(called).toMatchObject({ kind: 'failed', details: expect.stringMatching(/EACCES/) });
  });

  it('an endpoint that listens but is silent: refused in time, with its name', async () => {
    const socket = `${mesh.dir}/silent.sock`;
    const silent = await mesh.agent(mesh.pod('silent'));
    await silent.listenSilently(socket);
    const verdict = await silent.advertise(mesh.a.runDir, { service: 'silence', name: 'silent', socket });
    const request = { requestId: 'patient', service: 'silence', netns: client.netns };
    const reply = verdict.accepted ? await agent.connect(mesh.a.runDir, request) : verdict;
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/silent/);
    await expectService();
    await waitFor(async () => !(await mesh.a.endpoints()).includes('silence/silent'));
  });

  it('an endpoint that dies: its service is unknown at once', async () => {
    const pod = mesh.pod('dying');
    const dying = await mesh.agent(pod);
    const socket = `${mesh.dir}/dying.sock`;
    await dying.serve(socket, { kind: 'answer', netns: pod.netns });
    expect((await dying.advertise(mesh.a.runDir, { service: 'brief', name: 'dying', socket })).accepted).toBe(
      true,
    );
    await dying.stop();
    expect(existsSync(socket)).toBe(true);
    // At once, and not when some patience is over.
    await waitFor(async () => !(await mesh.a.endpoints()).includes('brief/dying'), { timeout: 1_000 });
    const reply = await agent.connect(mesh.a.runDir, {
      requestId: 'late',
      service: 'brief',
      netns: client.netns,
    });
    expect(reply).toMatchObject({
      accepted: false,
      error: expect.stringMatching(/"brief"; known: far, good/),
    });
  });

  it.each([
    ['a namespace that is not its own', 'net:[1]', /endpoint|net:\[1\]/],
    ['no namespace', '', /named no linux_namespace/],
    ['a file', '/etc/passwd', /\/etc\/passwd/],
  ])('an endpoint that answers with %s', async (_, netns, cause) => {
    const pod = mesh.pod('liar');
    await using liar = await mesh.agent(pod);
    const socket = `${mesh.dir}/liar-${pod.inode}.sock`;
    await liar.serve(socket, { kind: 'answer', netns });
    await liar.advertise(mesh.a.runDir, { service: 'lies', name: 'liar', socket });
    const reply = await agent.connect(mesh.a.runDir, {
      requestId: 'lied-to',
      service: 'lies',
      netns: client.netns,
    });
    expect(reply).toMatchObject({ accepted: false, error: expect.stringMatching(cause) });
    await liar.stop();
    await expectService();
  });

  it("an endpoint that answers with another pod's namespace", async () => {
    const liar = await mesh.agent(mesh.pod('thief'));
    const socket = `${mesh.dir}/thief.sock`;
    await liar.serve(socket, { kind: 'answer', netns: client.netns });
    await liar.advertise(mesh.a.runDir, {
      service: 'theft',
      name: 'thief',
      socket,
      more: [labels({ a: 'b' })],
    });
    const reply = await agent.connect(mesh.a.runDir, {
      requestId: 'victim',
      service: 'theft',
      netns: client.netns,
    });
    expect(reply).toMatchObject({
      accepted: false,
      error: expect.stringMatching(/not its own.*serve from inside it/),
    });
    await liar.stop();
    await expectService();
  });

  it('a manager whose name does not resolve: refused, naming it and the flag', async () => {
    const [dir, pod] = [`${mesh.dir}/node-c`, mesh.pod('lost')];
    const at = [
      '--run-dir',
      `${dir}/run`,
      '--state-dir',
      `${dir}/state`,
      '--listen',
      `${mesh.b.address}:5002`,
    ];
    const told = ['--advertise', 'nsm-c.invalid:5002', '--registry', `nsm://${mesh.a.tcp}`];
    const node = mesh.b.namespace.name;
    await mesh.spawn(node, '"msg":"ready"', ['manager', '--name', 'node-c', ...at, ...told]);
    const flags = ['endpoint', 'icmp-responder', '--name', 'lost', '--service', 'lost', '--json'];
    await mesh.spawn(pod.name, '"event":"advertised"', [...flags, '--run-dir', `${dir}/run`]);
    await mesh.a.knows('lost/lost');
    const reply = await agent.connect(mesh.a.runDir, {
      requestId: 'lost',
      service: 'lost',
      netns: client.netns,
    });
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/"nsm-c\.invalid:5002" of manager "node-c" does not resolve.*--advertise/);
    await expectService();
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
