// MEM and VHOST between two pods of one node: strangers' applications meet by the socket, and nobody else reaches it.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson, nsmProgram } from '../mesh/nsm-command.js';
import { memif, type Parameters, requireTestpmd, Testpmd, vhost } from '../mesh/testpmd.js';

interface Shared extends Connected {
  readonly interface: string;
  readonly interfaceParameters: Parameters;
}

const kinds = [
  ['mem', memif, { ring_size: '512', rings: '1', buffer_size: '2048', id: '7', secret: 'hush' }],
  ['vhost', vhost, { ring_size: '256', queues: '1' }],
] as const;

const possible = requireRoot('shared memory') && requireTestpmd('shared memory');

let mesh: Mesh;
let client: Pod;
let endpoint: Pod;

beforeAll(async () => {
  if (!possible) return;
  mesh = await Mesh.startFirst({ flags: ['--prefix', '10.60.0.0/16'] });
  client = mesh.pod('client');
  endpoint = mesh.pod('endpoint');
  chmodSync(mesh.dir, 0o755);
  chmodSync(mesh.a.dir, 0o755);
});
afterAll(async () => await mesh?.stop());

describe.skipIf(!possible).each(kinds)('%s', { timeout: 120_000 }, (type, device, agreed) => {
  let serving: Running;

  beforeAll(async () => {
    serving = await mesh.endpoint(mesh.a, {
      pod: endpoint,
      name: type,
      services: ['fast'],
      flags: ['--interface', `${type}?ring_size=512`],
    });
  });
  afterAll(async () => await serving?.stop());

  const flags = (service: string, id: string, ...interfaces: readonly string[]): string[] => [
    ...['connect', service, '--request-id', id, '--netns', client.name, '--run-dir', mesh.a.runDir],
    ...interfaces.flatMap((one) => ['--interface', one]),
  ];
  const connect = (id: string): Promise<Shared> =>
    nsmJson<Shared>(...flags('fast', id, type === 'mem' ? 'mem?id=7&secret=hush' : 'vhost?ring_size=256'));
  /** What the endpoint was told of a connection. */
  const toldEndpoint = (id: string, running = serving): Parameters => {
    const events = running
      .output()
      .split('\n')
      .filter((line) => line.includes('client-accepted') && line.includes(`"${id}"`));
    return (JSON.parse(events.at(-1) ?? '{}') as { interfaceParameters: Parameters }).interfaceParameters;
  };
  const shared = (): string[] => readdirSync(join(mesh.a.runDir, 'shared'));

  it('lets two applications exchange packets, and goes on while the manager is killed', async () => {
    const connected = await connect('one');
    expect(connected).toMatchObject({ interface: type, interfaceName: '', interfaceParameters: agreed });
    const ours = connected.interfaceParameters;
    const theirs = toldEndpoint('one');
    expect(theirs).toMatchObject({ ...agreed, role: 'server' });
    expect(ours.role).toBe('client');
    {
      await using receiver = await Testpmd.start(endpoint.name, device(theirs), 'rxonly');
      await waitFor(() => existsSync(ours.socket!), { what: 'the endpoint’s socket at the client’s side' });
      await using _sender = await Testpmd.start(client.name, device(ours), 'txonly');
      await receiver.receives(1000);

      await mesh.a.restart('SIGKILL');
      await receiver.receives((await receiver.received()) + 1000);
      expect((await connect('one')).interfaceParameters).toEqual(ours);
    }
    // The other way round, by a socket made anew.
    {
      await using _sender = await Testpmd.start(endpoint.name, device(theirs), 'txonly');
      await using receiver = await Testpmd.start(client.name, device(ours), 'rxonly');
      await receiver.receives(1000);
    }
    await (await mesh.agent(client)).close(mesh.a.runDir, 'one', 'fast');
    expect(shared()).toEqual([]);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('opens each side’s folder to its user alone', async () => {
    const users = { client: 1001, endpoint: 1002, other: 1003 };
    const as = (user: number) => ({
      before: ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'],
    });
    const home = join(mesh.dir, `home-${type}`);
    mkdirSync(home);
    chownSync(home, users.endpoint, users.endpoint);
    const unprivileged = await mesh.endpoint(mesh.a, {
      pod: endpoint,
      name: `unprivileged-${type}`,
      services: ['private'],
      flags: ['--interface', type, '--socket', join(home, 'endpoint.sock')],
      ...as(users.endpoint),
    });
    const args = ['connect', 'private', '--request-id', 'users', '--run-dir', mesh.a.runDir];
    const [command = '', ...before] = as(users.client).before;
    const connected = await run(client.name, command, [
      ...[...before, process.execPath, nsmProgram, ...args],
      ...['--interface', type, '--json'],
    ]);
    const ours = (JSON.parse(connected) as Shared).interfaceParameters.socket!;
    const theirs = toldEndpoint('users', unprivileged).socket!;

    const peer = await mesh.agent(endpoint, { user: users.endpoint });
    const owner = await mesh.agent(client, { user: users.client });
    const others = [
      await mesh.agent(client, { user: users.other }),
      await mesh.agent(endpoint, { user: users.other }),
    ];
    for (const other of others)
      await expect(other.listenSilently(theirs)).rejects.toThrow(/EACCES|permission denied/);
    await peer.listenSilently(theirs);
    await waitFor(() => existsSync(ours));
    const speak = { patienceMs: 200 };
    expect(await owner.speak(ours, 'hello', speak)).toMatchObject({ closed: false });
    for (const other of others)
      for (const socket of [ours, theirs])
        expect(await other.speak(socket, 'hello', speak)).toMatchObject({ closed: true });
    // Each by its own folder only.
    expect(await owner.speak(theirs, 'hello', speak)).toMatchObject({ closed: true });
    expect(await peer.speak(ours, 'hello', speak)).toMatchObject({ closed: true });
    await owner.close(mesh.a.runDir, 'users', 'private');
    expect(shared()).toEqual([]);
    expect(await mesh.sweep()).toEqual([]);
    await unprivileged.stop();
  });

  it('removes what is left of a connection that nobody knows', async () => {
    const stray = join(mesh.a.runDir, 'shared', '0123456789abcdef');
    mkdirSync(join(stray, 'client'), { recursive: true });
    await mesh.a.restart('SIGKILL');
    await waitFor(() => !existsSync(stray));
  });

  it('keeps its parameters when its endpoint is lost', async () => {
    const options = { pod: endpoint, services: ['lasting'], flags: ['--interface', type] };
    const first = await mesh.endpoint(mesh.a, { ...options, name: 'first' });
    const ask = () => nsmJson<Shared>(...flags('lasting', 'lasting', type));
    const before = await ask();
    const told = toldEndpoint('lasting', first);
    const second = await mesh.endpoint(mesh.a, { ...options, name: 'second' });
    await first.stop();
    await waitFor(async () => {
      const [connection] = await mesh.a.connections();
      return connection?.state === 'UP' && connection.nseProviderName === 'second';
    });
    const { id, address, interfaceParameters } = before;
    expect(await ask()).toMatchObject({ id, address, interfaceParameters });
    expect(toldEndpoint('lasting', second)).toEqual(told);
    await (await mesh.agent(client)).close(mesh.a.runDir, 'lasting', 'lasting');
    expect(shared()).toEqual([]);
    await second.stop();
  });

  it('is passed over, or refused with the reason, where it cannot be joined', async () => {
    const other = type === 'mem' ? 'vhost' : 'mem';
    expect(await nsmJson<Shared>(...flags('fast', 'default', 'default'))).toMatchObject({ interface: type });
    const refused = await nsm(...flags('fast', 'other', other));
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/no interface types that can be joined: the client asks for/);
    const bad = await nsm(...flags('fast', 'bad', `${type}?ring_size=1000`));
    expect(bad.stderr).toMatch(/ring_size "1000" must be a power of two/);
    await (await mesh.agent(client)).close(mesh.a.runDir, 'default', 'fast');
    expect(await mesh.sweep()).toEqual([]);
  });
});

it.skipIf(!possible)('leaves nothing behind', async () => {
  expect(await mesh.finish()).toEqual([]);
});
