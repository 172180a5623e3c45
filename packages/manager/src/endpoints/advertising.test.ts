// Endpoints that come and go at the same time, fail to be written down, or lose their socket to another process.
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  endpoint as ep,
  forwarder as fw,
  InterfaceType,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  Server,
  SubjectSchema,
} from '@nsm/api';
import type { Policy } from '@nsm/policy';
import { parsePolicy } from '@nsm/policy/parse';
import { endpointKey, type Registry } from '@nsm/registry';
import { waitFor } from '@nsm/testkit';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gate } from '../policy/gate.js';
import { Subjects } from '../policy/subjects.js';
import { Advertising } from './advertising.js';
import { LocalEndpoints } from './local-endpoints.js';

const me = { pid: process.pid, uid: process.getuid?.() ?? 0, gid: 0 };
const key = endpointKey({
  networkServiceName: 'echo',
  nseProviderName: 'echo-1',
  nseProviderNamespace: '',
});

describe('Advertising', () => {
  let folder: string;
  let socketLocation: string;
  let server: Server;
  let endpoints: LocalEndpoints;
  let advertising: Advertising;
  /** As any: an endpoint of another manager, which is alive, keeps its name. */
  let registry: Pick<Registry, 'registerEndpoint' | 'removeEndpoint'> & { synced: boolean };
  const disk = new Map<string, NetworkServiceEndpoint>();
  const mesh = new Map<string, NetworkServiceEndpoint>();
  const gone: string[] = [];
  const children: ChildProcess[] = [];
  /** What each write to the disk waits for, in turn; it fails when that rejects. */
  let writes: (() => Promise<void>)[] = [];
  const full = async (): Promise<void> => {
    throw new Error('the disk is full');
  };

  const echo = (labels: Record<string, string> = {}): NetworkServiceEndpoint =>
    create(NetworkServiceEndpointSchema, {
      networkServiceName: 'echo',
      nseProviderName: 'echo-1',
      socketLocation,
      labels: { selector: labels },
      interface: [{ type: InterfaceType.KERNEL_INTERFACE }],
    });
  const labels = (from: Map<string, { readonly labels?: NetworkServiceEndpoint['labels'] }>) =>
    [...from.values()].map((record) => record.labels?.selector);
  const here = () => labels(new Map([...endpoints].map(([name, { record }]) => [name, record])));

  const source: { policy: Policy | undefined } = { policy: undefined };

  beforeEach(async () => {
    source.policy = undefined;
    folder = mkdtempSync(join(tmpdir(), 'nsm-advertising-'));
    socketLocation = join(folder, 'echo.sock');
    server = new Server().add(ep.EndpointConnection, {
      requestEndpointConnection: async () => ({}),
      closeEndpointConnection: async () => ({}),
    });
    await server.listenUnix(socketLocation);
    const guard = {
      maySpeakFor: () => true,
      ownsNode: () => true,
      speaksForOthers: () => false,
      requireKnown: () => undefined,
      admitEndpoint: () => expect.unreachable(),
    };
    endpoints = new LocalEndpoints({ guard });
    const forwarder = {
      inspectNamespace: async () => create(fw.InspectNamespaceReplySchema, { pidInode: 1 }),
    };
    const logger = pino({ level: 'silent' });
    const gate = new Gate({ source, audit: { decision: () => undefined } });
    const subjects = new Subjects({
      self: { name: 'node-a', domain: 'nsm' },
      guard,
      source,
      pods: undefined,
    });
    const store = {
      endpoints: () => [...disk.values()],
      putEndpoint: async (name: string, record: NetworkServiceEndpoint) => {
        await writes.shift()?.();
        disk.set(name, record);
      },
      removeEndpoint: async (name: string) => {
        await writes.shift()?.();
        disk.delete(name);
      },
    };
    registry = {
      synced: true,
      registerEndpoint: async (record: NetworkServiceEndpoint) => {
        const host = mesh.get(endpointKey(record))?.networkServiceHost ?? 'node-a';
        if (host !== 'node-a') throw new NsmError('conflict', `served by manager "${host}"`);
        mesh.set(endpointKey(record), record);
      },
      removeEndpoint: async (record) => {
        if (mesh.get(endpointKey(record))?.networkServiceHost === record.networkServiceHost)
          mesh.delete(endpointKey(record));
      },
    };
    advertising = new Advertising(
      {
        endpoints,
        guard,
        forwarder,
        logger,
        registry,
        store,
        gate,
        subjects,
        shares: { require: () => undefined },
        onGone: (record, reason) => gone.push(`${record.nseProviderName}: ${reason}`),
      },
      { manager: 'node-a', prefixes: new Map() },
    );
  });
  afterEach(async () => {
    await advertising.stop();
    await server.stop();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const map of [disk, mesh]) map.clear();
    gone.length = 0;
    writes = [];
    rmSync(folder, { recursive: true });
  });

  /** Another process that speaks HTTP/2 on a socket. */
  const listenElsewhere = async (path: string): Promise<ChildProcess> => {
    const script = `require('http2').createServer().listen(${JSON.stringify(path)}, () => console.log('listens'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  };

  it('that fails leaves what it was to replace', async () => {
    await advertising.advertise([echo({ v: '1' })], me);
    writes = [full];
    await expect(advertising.advertise([echo({ v: '2' })], me)).rejects.toThrow('the disk is full');
    for (const labelled of [here(), labels(disk), labels(mesh)]) expect(labelled).toEqual([{ v: '1' }]);
    expect(gone).toEqual([]);
  });

  it('twice at the same time is done one after the other: a failure takes nothing of the other', async () => {
    const write = new EventEmitter();
    writes = [() => once(write, 'go').then(full)];
    const first = advertising.advertise([echo({ v: '1' })], me);
    const failed = expect(first).rejects.toThrow('the disk is full');
    await waitFor(() => writes.length === 0);
    const second = advertising.advertise([echo({ v: '2' })], me);
    write.emit('go');
    await failed;
    await second;
    for (const labelled of [here(), labels(disk), labels(mesh)]) expect(labelled).toEqual([{ v: '2' }]);
    expect(gone).toEqual([]);
  });

  it('of the same again changes nothing, whatever the order of its labels', async () => {
    await advertising.advertise([echo({ a: '1', b: '2' })], me);
    const before = endpoints.get(key);
    expect(before).toBeDefined();
    await advertising.advertise([echo({ b: '2', a: '1' })], me);
    expect(endpoints.get(key)).toBe(before);
  });

  it('is missed when another process listens on its socket', async () => {
    await server.stop();
    const own = await listenElsewhere(socketLocation);
    await advertising.advertise([echo()], me);
    await listenElsewhere(`${socketLocation}.new`);
    renameSync(`${socketLocation}.new`, socketLocation);
    own.kill('SIGKILL');
    await waitFor(() => gone.length > 0);
    expect(gone).toEqual([expect.stringContaining("its socket is another process's now")]);
    for (const map of [endpoints, disk, mesh]) expect(map.size).toBe(0);
  });

  it('by another process takes the place of the one before, whose connections hear of it', async () => {
    await advertising.advertise([echo()], me);
    await listenElsewhere(`${socketLocation}.new`);
    renameSync(`${socketLocation}.new`, socketLocation);
    await advertising.advertise([echo()], me);
    expect(gone).toEqual(['echo-1: another process provides it now']);
    expect([endpoints.size, disk.size, mesh.size]).toEqual([1, 1, 1]);
  });

  it('is refused where another manager has an endpoint of that name, and leaves nothing here', async () => {
    mesh.set(key, { ...echo(), networkServiceHost: 'node-b' });
    await expect(advertising.advertise([echo()], me)).rejects.toMatchObject({ kind: 'conflict' });
    expect([endpoints.size, disk.size, mesh.get(key)?.networkServiceHost]).toEqual([0, 0, 'node-b']);
  });

  it('while the registry is away stays, and is registered when the name is free', async () => {
    registry.synced = false;
    mesh.set(key, { ...echo(), networkServiceHost: 'node-b' });
    await advertising.advertise([echo()], me);
    await advertising.register(key);
    expect([endpoints.size, disk.size, mesh.get(key)?.networkServiceHost]).toEqual([1, 1, 'node-b']);
    mesh.delete(key);
    await advertising.register(key);
    expect(mesh.get(key)?.networkServiceHost).toBe('node-a');
  });

  it('is refused where the policy does not allow it, and withheld as long as the policy no longer does', async () => {
    await advertising.advertise([echo()], me);
    source.policy = parsePolicy('rules: []', 'policy.yaml');
    await expect(advertising.advertise([echo({ a: 'b' })], me)).rejects.toMatchObject({
      kind: 'policy',
      message: expect.stringContaining('rule "default"'),
    });
    expect(here()).toEqual([{}]);
    await advertising.reconsider();
    expect([endpoints.records(), labels(disk), labels(mesh)]).toEqual([[], [{}], []]);
    source.policy = undefined;
    await advertising.reconsider();
    expect([endpoints.records().length, labels(mesh)]).toEqual([1, [{}]]);
  });

  it('says who provides it, whatever the endpoint says of itself', async () => {
    await advertising.advertise(
      [{ ...echo(), provider: create(SubjectSchema, { netns: 'another', uid: 5, trusted: true }) }],
      { ...me, uid: 61001 },
    );
    expect([...mesh.values()][0]?.provider).toMatchObject({
      netns: '',
      uid: 61001,
      trusted: false,
      manager: 'node-a',
    });
  });

  it('ends also where the disk takes nothing', async () => {
    await advertising.advertise([echo()], me);
    writes = [full];
    await advertising.withdraw(key)('it was removed');
    expect(gone).toEqual(['echo-1: it was removed']);
    expect(endpoints.size).toBe(0);
  });

  it('has written everything when it has stopped', async () => {
    const write = new EventEmitter();
    writes = [() => once(write, 'go').then(() => undefined)];
    const advertised = advertising.advertise([echo()], me);
    await waitFor(() => writes.length === 0);
    const stopped = advertising.stop().then(() => disk.size);
    write.emit('go');
    expect(await stopped).toBe(1);
    await advertised;
    expect(endpoints.size).toBe(0);
  });
});
