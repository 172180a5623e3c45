// The command against a real manager in real namespaces: a service is provided, used, looked at, and given back.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  makeNamespace,
  ping,
  type Running,
  requireRoot,
  run,
  spawnIn,
  type TestNamespace,
  waitFor,
} from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../bin/nsm.js', import.meta.url));

interface Ending {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(!requireRoot('nsm'))('nsm', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-cli-'));
  const env = { ...process.env, NSM_RUN_DIR: join(folder, 'run') };
  const namespaces: TestNamespace[] = [];
  const namespace = (label: string): TestNamespace => {
    const made = makeNamespace(label);
    namespaces.push(made);
    return made;
  };
  let node: TestNamespace;
  let pod: TestNamespace;
  let server: TestNamespace;
  let manager: Running;
  let endpoint: Running;

  const nsm = (...argv: string[]): Promise<Ending> =>
    new Promise((resolve) => {
      execFile(process.execPath, [bin, ...argv], { env }, (error, out, err) =>
        resolve({ status: error ? Number(error.code ?? -1) : 0, out, err }),
      );
    });
  const json = async (...argv: string[]) => JSON.parse((await nsm(...argv, '--json')).out);
  const start = (where: TestNamespace, ...argv: string[]): Promise<Running> =>
    spawnIn(where.name, process.execPath, [bin, ...argv, '--run-dir', env.NSM_RUN_DIR]);

  beforeAll(async () => {
    [node, pod, server] = [namespace('node'), namespace('pod'), namespace('server')];
    manager = await start(
      node,
      ...['manager', '--name', 'node-a', '--state-dir', join(folder, 'state'), '--listen', '127.0.0.1:5001'],
    );
    endpoint = await start(
      server,
      ...['endpoint', 'icmp-responder', '--service', 'echo', '--name', 'echo-1', '--label', 'tier=gold'],
      ...['--prefix', '10.60.0.0/24', '--route', '10.99.0.0/16', '--wait', '10s'],
    );
    await waitFor(() => endpoint.output().includes('echo-1 provides echo'), { timeout: 15_000 });
  });
  afterAll(async () => {
    await endpoint?.stop();
    await manager?.stop();
    for (const one of namespaces) one.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows what there is', async () => {
    const [services, endpoints, managers, connections, tunnels, described, explained] = await Promise.all([
      json('get', 'services'),
      json('get', 'endpoints'),
      json('get', 'managers'),
      nsm('get', 'connections'),
      json('get', 'tunnels'),
      json('describe', 'manager'),
      nsm('explain', 'echo', '--label', 'tier=silver'),
    ]);
    expect(services).toEqual([{ name: 'echo', endpoints: 1, managers: ['node-a'] }]);
    expect(endpoints).toMatchObject([
      { name: 'echo-1', service: 'echo', manager: 'node-a', labels: { tier: 'gold' }, unavailable: '' },
    ]);
    expect(managers).toMatchObject([
      { name: 'node-a', address: '127.0.0.1:5001', version: (await json('version')).nsm, alive: true },
    ]);
    expect(connections).toEqual({ status: 0, out: 'no connections\n', err: '' });
    expect(tunnels.tunnels).toEqual([]);
    expect(described).toMatchObject({ name: 'node-a', version: managers[0].version, registrySynced: true });
    expect(explained.status).toBe(1);
    expect(explained.out).toMatch(/dropped +echo-1/);
  });

  it('tells at one glance that all is well', async () => {
    const { status, out } = await nsm('status', '--wait', '5s');
    expect(status).toBe(0);
    expect(out).toMatch(/^manager +node-a .* at 127.0.0.1:5001$/m);
    expect(out).toMatch(/^managers +1: 1 alive$/m);
    expect(out).toMatch(/^endpoints +1$/m);
    expect(out).toMatch(/^policy +none: every pod may provide and ask/m);
    expect(out).toContain('√ all is well');
    expect(await nsm('status', '--run-dir', join(folder, 'nowhere'), '--wait', '0.3s')).toMatchObject({
      status: 3,
    });
  });

  it('connects as an init step, shows the connection, and gives it back', async () => {
    const made = await json(
      'connect',
      'echo',
      '--netns',
      pod.name,
      '--request-id',
      'pod-1',
      '--label',
      'tier=gold',
    );
    expect(made).toMatchObject({
      service: 'echo',
      requestId: 'pod-1',
      interface: 'kernel',
      endpoint: 'echo-1',
      routes: ['10.99.0.0/16'],
      tunnel: null,
    });
    expect(await ping(pod.name, made.peerAddresses[0])).toMatchObject({ received: 1 });
    expect(
      await json('connect', 'echo', '--netns', pod.name, '--request-id', 'pod-1', '--label', 'tier=gold'),
    ).toEqual({
      ...made,
      elapsedMs: expect.any(Number),
    });
    expect(await json('describe', 'connection', 'pod-1')).toMatchObject({
      id: made.id,
      state: 'SYNCED',
      role: 'LOCAL',
      client: { interfaceName: made.interfaceName, addresses: made.addresses },
    });
    expect((await nsm('get', 'connections')).out).toMatch(
      new RegExp(`${made.id} +echo +pod-1 +LOCAL +echo-1`),
    );
    expect(await nsm('disconnect', 'echo', '--request-id', 'pod-1', '--netns', pod.name)).toMatchObject({
      status: 0,
    });
    expect(await json('get', 'connections')).toEqual([]);
    expect(await run(pod.name, 'ip', ['-json', 'link', 'show', 'type', 'veth'])).toMatch(
      /^\[(\{\},?)*\]\s*$/,
    );
  });

  it('holds a connection as a sidecar, while an operator watches and closes one', async () => {
    await using watch = await start(node, 'watch', '--json');
    await waitFor(() => watch.output().includes('"synced"'));
    const sidecar = await start(pod, 'connect', 'echo', '--request-id', 'pod-2', '--hold');
    await waitFor(() => sidecar.output().includes('connected to echo'));
    await sidecar.stop();
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.output()).toMatch(/closed\n$/);
    const program = await start(pod, 'connect', 'echo', '--request-id', 'pod-2', '--hold', '--json');
    await waitFor(() => program.output().includes('"requestId":"pod-2"'));
    await program.stop();
    expect(JSON.parse(program.output().trim().split('\n').at(-1) ?? '')).toMatchObject({
      event: 'closed',
      reason: 'closed by the client',
    });

    const other = await start(pod, 'connect', 'echo', '--request-id', 'pod-3', '--hold', '--json');
    const { id } = await waitFor(() => JSON.parse(other.output().split('\n')[0] ?? ''));
    expect((await nsm('disconnect', '--id', id)).out).toBe(`closed connection ${id}\n`);
    expect(await other.exited).toBe(1);
    expect(other.output()).toContain('the connection was closed');
    await waitFor(() => watch.output().split('"removed"').length >= 3, { what: 'two removals in the watch' });
  });

  it('moves a held connection away from an endpoint that is stopped, which its program hears as an update', async () => {
    const serve = async (where: TestNamespace, name: string): Promise<Running> => {
      const flags = ['--service', 'moving', '--name', name, '--prefix', '10.61.0.0/24'];
      const running = await start(where, 'endpoint', 'icmp-responder', ...flags);
      await waitFor(() => running.output().includes('provides moving'), { timeout: 15_000 });
      return running;
    };
    await using first = await serve(server, 'moving-1');
    await using program = await start(pod, 'connect', 'moving', '--request-id', 'pod-4', '--hold', '--json');
    const { peerAddresses } = await waitFor(() => JSON.parse(program.output().split('\n')[0] ?? ''));
    await using _second = await serve(namespace('server-2'), 'moving-2');
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(await json('describe', 'connection', 'pod-4')).toMatchObject({
      state: 'SYNCED',
      endpoint: 'moving-2',
    });
    expect(await ping(pod.name, peerAddresses[0])).toMatchObject({ received: 1 });
    await waitFor(() => program.output().trim().split('\n').length > 1, { what: 'news of the move' });
    program.child.kill('SIGTERM');
    expect(await program.exited).toBe(0);
    const [made, ...events] = program
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([...new Set(events.map(({ event }) => event))]).toEqual(['up', 'closed']);
    const { interfaceName, addresses } = made;
    expect(events.at(-2)).toMatchObject({ interfaceName, addresses });
  });

  it('says when there was nothing to disconnect, and nothing to choose from', async () => {
    const gone = ['disconnect', 'echo', '--request-id', 'never-was', '--netns', pod.name];
    expect(await nsm(...gone)).toMatchObject({
      status: 0,
      out: 'there was no connection to echo with request id never-was: nothing to do\n',
    });
    expect(JSON.parse((await nsm('--json', ...gone)).out)).toMatchObject({ closed: true, existed: false });
    expect(await nsm('explain', 'nope')).toMatchObject({
      status: 1,
      err: 'nsm: no endpoint provides network service "nope"; known: echo (NSM0201)\n',
    });
  });

  it('lets no second manager have its state folder', async () => {
    const state = join(folder, 'state');
    const second = ['manager', '--name', 'node-b', '--state-dir', state, '--run-dir', join(folder, 'second')];
    expect(await nsm(...second, '--listen', '127.0.0.1:0')).toMatchObject({
      status: 1,
      err: `nsm: ${state} is in use by manager node-a, pid ${manager.child.pid}; give each its own --state-dir (NSM0105)\n`,
    });
  });

  it('is there again when its run directory was removed', async () => {
    rmSync(env.NSM_RUN_DIR, { recursive: true, maxRetries: 10 });
    const files = ['admin.sock', 'client.sock', 'endpoint.sock', 'endpoints/echo-1.sock'];
    await waitFor(() => files.every((file) => existsSync(join(env.NSM_RUN_DIR, file))), {
      what: 'the sockets to be made again',
    });
    await waitFor(() => manager.output().split('made again').length > 3, { what: 'three lines in the log' });
    const made = await json('connect', 'echo', '--netns', pod.name, '--request-id', 'pod-5');
    expect(await ping(pod.name, made.peerAddresses[0])).toMatchObject({ received: 1 });
    await nsm('disconnect', 'echo', '--request-id', 'pod-5', '--netns', pod.name);
  });

  it('refuses with the reason, the code and the status', async () => {
    expect(await nsm('connect', 'ecco', '--netns', pod.name)).toMatchObject({
      status: 1,
      err: expect.stringMatching(/"ecco".*echo.*\(NSM0201\)/),
    });
    const failed = await nsm('connect', 'ecco', '--netns', pod.name, '--json');
    expect(JSON.parse(failed.err).error).toMatchObject({ code: 'NSM0201', kind: 'no-endpoint' });
    expect(await nsm('connect', 'echo', '--netns', 'nowhere')).toMatchObject({ status: 1 });
    expect(await nsm('connect', 'echo', '--run-dir', folder)).toMatchObject({
      status: 3,
      err: expect.stringContaining('is `nsm manager` running'),
    });
    expect(await nsm('describe', 'connection', 'x')).toMatchObject({ status: 1 });
    expect(await nsm('describe', 'tunnel', 'x')).toMatchObject({ status: 2 });
  });

  it('runs a gateway that hides its clients, and cleans up after it', async () => {
    const [edge, internet] = [namespace('edge'), namespace('internet')];
    await run(undefined, 'ip', [
      ...[
        'link',
        'add',
        'eth0',
        'netns',
        edge.name,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        internet.name,
      ],
    ]);
    for (const [where, address] of [
      [edge, '192.0.2.1/24'],
      [internet, '192.0.2.2/24'],
    ] as const) {
      await run(where.name, 'ip', ['address', 'add', address, 'dev', 'eth0']);
      await run(where.name, 'ip', ['link', 'set', 'eth0', 'up']);
    }
    await run(internet.name, 'ip', ['address', 'add', '198.51.100.1/32', 'dev', 'lo']);
    await run(edge.name, 'ip', ['route', 'add', 'default', 'via', '192.0.2.2']);
    // What a crash would have left.
    await run(edge.name, 'nft', ['add', 'table', 'inet', 'nsm_gateway']);
    const gateway = await start(
      edge,
      ...['endpoint', 'gateway', '--service', 'internet', '--name', 'edge', '--outside', 'eth0'],
      ...['--prefix', '10.61.0.0/24', '--json'],
    );
    await waitFor(() => gateway.output().includes('"advertised"'));
    const made = await json('connect', 'internet', '--netns', pod.name, '--request-id', 'pod-4');
    expect(made.routes).toEqual(['0.0.0.0/0']);
    // The internet has no route back to the client: only a translated address is answered.
    expect(await ping(pod.name, '198.51.100.1')).toMatchObject({ received: 1 });
    expect(await run(edge.name, 'nft', ['list', 'ruleset'])).toContain('oifname "eth0" masquerade');
    const second = ['--service', 'internet', '--name', 'edge-2', '--outside', 'eth0', '--netns', edge.name];
    expect(await nsm('endpoint', 'gateway', ...second)).toMatchObject({
      status: 1,
      err: expect.stringContaining('a gateway runs in this network namespace already'),
    });
    expect(await ping(pod.name, '198.51.100.1')).toMatchObject({ received: 1 });
    await nsm('disconnect', 'internet', '--request-id', 'pod-4', '--netns', pod.name);
    await waitFor(() => gateway.output().includes('"client-gone"'));
    await gateway.stop();
    expect(await gateway.exited).toBe(0);
    expect(await run(edge.name, 'nft', ['list', 'ruleset'])).toBe('');
    expect(await run(edge.name, 'cat', ['/proc/sys/net/ipv4/conf/eth0/forwarding'])).toBe('0\n');
    expect(await json('get', 'services')).toMatchObject([{ name: 'echo' }]);
  });
});
