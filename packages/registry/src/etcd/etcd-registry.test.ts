// Behaviour of the etcd registry alone: histories that are gone, owners of endpoints, and records that are served to others.
import { once } from 'node:events';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import { type Credentials, Server, registry as wire } from '@nsm/api';
import { EtcdProcess, requireEtcd } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { contents, endpoint, nodeA, nodeB, record, until } from '../compliance/compliance-harness.js';
import { RecordCache } from '../records/record-cache.js';
import { type Registry, silentLogger } from '../registry.js';
import { RemoteRegistry } from '../remote/remote-registry.js';
import { EtcdAccess } from './etcd-access.js';
import { EtcdCopy } from './etcd-copy.js';
import { EtcdKeys } from './etcd-keys.js';
import { EtcdRegistry } from './etcd-registry.js';
import { EtcdSession } from './etcd-session.js';
import type { Txn } from './etcd-txn.js';
import { parseEtcdUrl } from './etcd-url.js';
import { EtcdWriter } from './etcd-writer.js';
import { ServedEtcdRegistry } from './served-etcd-registry.js';

describe('the URL of an etcd', () => {
  it('has members, and a prefix or none', () => {
    expect(parseEtcdUrl('etcd://10.0.0.1:2379')).toEqual({
      members: ['10.0.0.1:2379'],
      prefix: '/nsm/',
      tls: false,
    });
    expect(parseEtcdUrl('etcds://etcd-0.x:23790,[fd00::1]:2379,other/team/mesh-1/')).toEqual({
      members: ['etcd-0.x:23790', '[fd00::1]:2379', 'other:2379'],
      prefix: '/team/mesh-1/',
      tls: true,
    });
  });

  it.each([
    'etcd://',
    'etcd://a,',
    'etcd://a b',
    'etcd://a:99999',
    'etcd:///nsm',
    'etcd://a/x?y',
    'etcd://a/é',
  ])('is not %s', (url) =>
    expect(() => parseEtcdUrl(url)).toThrow(expect.objectContaining({ kind: 'invalid' })),
  );
});

/** A way to an etcd that can be cut. */
class Relay {
  readonly #server: NetServer;
  readonly #sockets = new Set<Socket>();
  #open = true;

  constructor(member: string) {
    const [host = '', port] = member.split(':');
    this.#server = createServer((near) => {
      if (!this.#open) {
        near.destroy();
        return;
      }
      const far = connect(Number(port), host);
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      }
    }).listen(0, '127.0.0.1');
  }

  async listening(): Promise<void> {
    if (!this.#server.listening) await once(this.#server, 'listening');
  }

  get member(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  set open(open: boolean) {
    this.#open = open;
    if (!open) for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.open = false;
    this.#server.close();
  }
}

describe.skipIf(!requireEtcd('etcd registry'))('a registry in an etcd', () => {
  let etcd: EtcdProcess;
  let meshes = 0;
  let url = '';
  const ends: (() => unknown)[] = [];
  beforeAll(async () => {
    etcd = await EtcdProcess.alone();
  });
  afterAll(async () => {
    await etcd?.stop();
  });
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });
  const begin = async <R extends Registry>(registry: R): Promise<R> => {
    ends.push(() => registry.stop());
    await registry.start();
    return registry;
  };
  const mesh = (): string => {
    url = `etcd://${etcd.member}/own/${meshes++}`;
    return url;
  };
  /** As a manager with a certificate; etcd itself sees none of it. */
  const managerOf = (name: string): Promise<EtcdRegistry> => {
    const identity = { kind: 'manager', name, domain: 'nsm' } as const;
    const credentials = { current: { identity } } as unknown as Credentials;
    return begin(new EtcdRegistry(url, { credentials }));
  };

  it('says of each member how it answers', async () => {
    const relay = new Relay(etcd.member);
    ends.push(() => relay.close());
    await relay.listening();
    relay.open = false;
    const registry = await begin(
      new EtcdRegistry(mesh().replace(etcd.member, `${etcd.member},${relay.member}`)),
    );
    const members = await registry.members();
    expect(members.map(({ address, error }) => [address, error === ''])).toEqual([
      [etcd.member, true],
      [relay.member, false],
    ]);
  });

  it.each([
    ['is compacted', (path: string) => compact(path)],
    ['was of another store', (path: string) => etcd.ctl('del', `${path}/store`)],
  ])('reads everything again when what it has missed %s, and tells real changes alone', async (_, lose) => {
    const one = await begin(new EtcdRegistry(mesh()));
    const relay = new Relay(etcd.member);
    ends.push(() => relay.close());
    await relay.listening();
    const path = new URL(url).pathname;
    const two = await begin(new EtcdRegistry(`etcd://${relay.member}${path}`));
    await one.registerManager(nodeA, 60_000);
    await one.registerEndpoint(endpoint('stays'));
    await one.registerEndpoint(endpoint('goes'));
    await until(two, () => contents(two).length === 3);
    const heard = record(two);
    relay.open = false;
    await vi.waitFor(() => expect(two.synced).toBe(false));
    await one.removeEndpoint(endpoint('goes'));
    await one.registerEndpoint(endpoint('comes'));
    await lose(path);
    relay.open = true;
    await until(
      two,
      () => heard.includes('-firewall/default/goes') && heard.includes('+firewall/default/comes'),
    );
    expect(heard.slice(4).toSorted()).toEqual(['+firewall/default/comes', '-firewall/default/goes']);
    // The watch goes on from there.
    await one.registerEndpoint(endpoint('later'));
    await until(two, () => heard.includes('+firewall/default/later'));
    expect(two.synced).toBe(true);
  });

  const compact = async (path: string): Promise<void> => {
    const found = JSON.parse(await etcd.ctl('put', `${path}/elsewhere`, '', '--write-out', 'json'));
    await etcd.ctl('compact', String((found as { header: { revision: number } }).header.revision));
  };

  it('gives the endpoint of a living manager to no other', async () => {
    mesh();
    const [a, b] = [await managerOf('node-a'), await managerOf('node-b')];
    await a.registerManager(nodeA, 60_000);
    await b.registerManager(nodeB, 60_000);
    await a.registerEndpoint(endpoint('fw'));
    const ofB = endpoint('fw', { networkServiceHost: 'node-b' });
    await expect(b.registerEndpoint(ofB)).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('is served by manager "node-a"'),
    });
    await b.removeEndpoint(ofB);
    await until(b, () => b.endpointsOf('firewall').length === 1);
    expect(b.endpointsOf('firewall')).toMatchObject([{ networkServiceHost: 'node-a' }]);
    await a.endLease('node-a');
    await b.registerEndpoint(ofB);
    await until(a, () => a.endpointsOf('firewall')[0]?.networkServiceHost === 'node-b');
  });

  it('does nothing of a release that comes late, after the claim was taken again', async () => {
    const one = await begin(new EtcdRegistry(mesh()));
    const other = await begin(new EtcdRegistry(url));
    await one.registerManager(nodeA, 60_000);
    await other.registerManager(nodeB, 60_000);
    expect(await one.claim('vni-5', 'node-a')).toBe('node-a');
    const session = new EtcdSession(new EtcdAccess(parseEtcdUrl(url), {}).member(0), () => undefined);
    ends.push(async () => session[Symbol.dispose]());
    let send = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      send = resolve;
    });
    const asked = vi.fn();
    const late = Object.assign(Object.create(session) as EtcdSession, {
      range: (request: Parameters<EtcdSession['range']>[0]) => session.range(request),
      txn: async (txn: Txn) => {
        asked();
        await held;
        return session.txn(txn);
      },
    });
    const keys = new EtcdKeys(parseEtcdUrl(url).prefix);
    const cache = new RecordCache(silentLogger);
    const copy = new EtcdCopy(cache, keys, silentLogger);
    const writer = new EtcdWriter({ keys, copy, cache, session: () => late }, () => undefined);
    const release = writer.releaseClaim('vni-5', 'node-a');
    await vi.waitFor(() => expect(asked).toHaveBeenCalled());
    expect(await one.claim('vni-5', 'node-a')).toBe('node-a');
    send();
    await release;
    expect(await other.claim('vni-5', 'node-b')).toBe('node-a');
  });

  it('takes no claim by a lease that another has taken over', async () => {
    const one = await begin(new EtcdRegistry(mesh()));
    await one.registerManager(nodeA, 60_000);
    const two = await begin(new EtcdRegistry(url));
    await two.registerManager(nodeA, 60_000);
    await expect(one.claim('vni-5', 'node-a')).rejects.toMatchObject({ kind: 'registry' });
    expect(await two.claim('vni-5', 'node-a')).toBe('node-a');
  });

  it('does not use what is no record, or that of another', async () => {
    const one = await begin(new EtcdRegistry(mesh()));
    const path = new URL(url).pathname;
    await one.registerEndpoint(endpoint('fw'));
    await etcd.ctl('put', `${path}/endpoint/firewall/default/bad`, 'no record');
    await etcd.ctl('put', `${path}/manager/node-x`, 'neither');
    await one.registerEndpoint(endpoint('last'));
    await until(one, () => one.endpointsOf('firewall').length === 2);
    expect(contents(one)).toHaveLength(2);
    // The stale record is in no other client's way.
    await one.registerEndpoint(endpoint('bad'));
    await until(one, () => one.endpointsOf('firewall').length === 3);
  });

  it('is served to managers that have no access to the etcd', async () => {
    const served = await begin(new ServedEtcdRegistry(mesh(), {}));
    const server = new Server().add(wire.Registry, served.service);
    const port = await server.listenTcp('127.0.0.1:0');
    ends.push(() => server.stop());
    const far = await begin(new RemoteRegistry(`nsm://127.0.0.1:${port}`));
    const near = await begin(new EtcdRegistry(url));
    await far.registerManager(nodeA, 1000);
    await far.registerEndpoint(endpoint('fw'));
    expect(await far.claim('vni-5', 'node-a')).toBe('node-a');
    expect(await near.claim('vni-5', 'node-b')).toBe('node-a');
    await near.registerManager(nodeB, 1000);
    for (const each of [far, near]) await until(each, () => contents(each).length === 3);
    expect(contents(far)).toEqual(contents(near));
    await expect(far.registerManager({ ...nodeB, address: '10.0.0.9:5001' }, 1000)).rejects.toMatchObject({
      kind: 'conflict',
    });
    await far.stop();
    await until(near, () => near.managers().get('node-a')?.alive === false);
  });
});
