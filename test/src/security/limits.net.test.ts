// Pods that take as much as they may: each limit holds at once, is named with what raises it, and leaves others what they need.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libc, memory, UnixSocket } from '@nsm/netlink';
import { ipJson, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { message } from '../mesh/wire.js';

const [user, otherUser, oneOfMany] = [61_001, 61_002, 61_003];
const greedy = fileURLToPath(new URL('./greedy.js', import.meta.url));
const mib = 2 ** 20;
/** What a pod may have here. */
const limits = {
  connections: 3,
  addressPairs: 5,
  endpoints: 2,
  endpointSockets: 1,
  routes: 30,
  sharedMemoryMib: 64,
  sockets: 64,
  streams: 128,
  callBytes: 8 * mib,
  watches: 32,
  userFactor: 2,
};

interface Use {
  readonly name: string;
  readonly limit: number;
  readonly most: number;
  readonly refused: number;
}

describe.skipIf(!requireRoot('limits of pods'))('limits of pods', () => {
  let mesh: Mesh;
  let folder: string;
  let [victim, evil]: Pod[] = [];
  let [own, strange]: Agent[] = [];

  beforeAll(async () => {
    const flags = Object.entries(limits).flatMap(([name, limit]) => ['--limit', `${name}=${limit}`]);
    mesh = await Mesh.start({ flags });
    chmodSync(mesh.dir, 0o711);
    folder = join(mesh.dir, 'user');
    mkdirSync(folder);
    [victim, evil] = ['victim', 'evil'].map((label) => mesh.pod(label));
    [own, strange] = await Promise.all([
      mesh.agent(victim!, { user: otherUser }),
      mesh.agent(evil!, { user }),
    ]);
    for (const name of ['echo', 'fast'])
      await mesh.endpoint(mesh.a, { pod: mesh.pod(`serving-${name}`), name, services: [name] });
  });
  afterAll(async () => await mesh?.stop());

  const ask = async (agent: Agent | undefined, requestId: string, pod: Pod | undefined, service = 'echo') =>
    await agent!.connect(mesh.a.runDir, { requestId, service, netns: pod!.netns });
  const expectService = async (requestId: string): Promise<void> => {
    expect((await ask(own, requestId, victim)).error).toBe('');
    await own!.close(mesh.a.runDir, requestId, 'echo');
  };
  const uses = async (): Promise<(name: string) => Use> => {
    const { limits: all } = await nsmJson<{ readonly limits: readonly Use[] }>(
      ...['describe', 'manager', 'node-a', '--run-dir', mesh.a.runDir],
    );
    return (name) => all.find((use) => use.name === name)!;
  };

  it('limits: what is asked for at once is no more than what is asked for in turn', async () => {
    const asked = await Promise.all(Array.from({ length: 12 }, (_, n) => ask(strange, `at-once-${n}`, evil)));
    const made = asked.flatMap(({ error }, n) => (error === '' ? [n] : []));
    expect(made).toHaveLength(limits.connections);
    for (const { error } of asked.filter(({ error }) => error !== ''))
      expect(error).toMatch(
        /network namespace \d+ has 3 of 3 connections, and 1 more are asked for: .*raise the manager's --limit connections=3 \(NSM0006\)/,
      );
    expect((await ipJson(evil!.name, ['link'])).length - 1).toBe(made.length);
    await expectService('beside');
    for (const n of made) await strange!.close(mesh.a.runDir, `at-once-${n}`, 'echo');
    expect((await ask(strange, 'again', evil)).error).toBe('');
    await strange!.close(mesh.a.runDir, 'again', 'echo');
    expect((await uses())('addressPairs')).toMatchObject({ limit: 5, most: 2, refused: 0 });
  });

  it('tables: a pod with more routes than a look may take is refused, and holds up nobody', async () => {
    const many = mesh.pod('many-routes');
    many.namespace.route.addLink({ kind: 'bridge', name: 'd0', up: true });
    const routes = Array.from({ length: 33_000 }, (_, n) => `route add 172.16.${n >> 8}.${n & 255} dev d0`);
    const file = join(mesh.dir, 'routes');
    writeFileSync(file, routes.join('\n'));
    await run(many.name, 'ip', ['-batch', file]);
    const agent = await mesh.agent(many, { user: oneOfMany });
    const refused = await Promise.all(Array.from({ length: 4 }, (_, n) => ask(agent, `routes-${n}`, many)));
    for (const { error } of refused)
      expect(error).toMatch(/more than 32768 entries.*does not serve such a network namespace \(NSM0006\)/);
    await expectService('beside-many');
    many.namespace.route.deleteLink('d0');
    await agent.stop();
  });

  it('limits: a user has no more of endpoints in many pods that come at once', async () => {
    chownSync(folder, oneOfMany, oneOfMany);
    const agents = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (n) => {
        const agent = await mesh.agent(mesh.pod(`many-${n}`), { user: oneOfMany });
        const socket = join(folder, `${n}.sock`);
        await agent.serve(socket, { kind: 'hang' });
        const services = [0, 1].map((m) => ({ service: `s${n}-${m}`, name: `e${n}-${m}`, socket }));
        return { agent, services };
      }),
    );
    const advertised = await Promise.all(
      agents.map(({ agent, services }) => agent.advertise(mesh.a.runDir, ...services)),
    );
    const refusal = /user 61003 has 4 of 4 network services of endpoints.*userFactor.*\(NSM0006\)/;
    expect(advertised.flatMap(({ error }) => (error === '' ? [] : [error]))).toEqual(
      Array(4).fill(expect.stringMatching(refusal)),
    );
  });

  it('limits: endpoints of one advertisement count together, and so do their sockets', async () => {
    const pod = mesh.pod('together');
    const places = mkdtempSync(join(mesh.dir, 'together-'));
    const agents = await Promise.all([0, 1, 2].map(() => mesh.agent(pod)));
    const endpoints = agents.map((_, n) => ({
      service: `t${n}`,
      name: 't',
      socket: join(places, `${n}.sock`),
    }));
    await Promise.all(agents.map((agent, n) => agent.serve(endpoints[n]!.socket, { kind: 'hang' })));
    const refusalOf = async (...some: typeof endpoints): Promise<string> =>
      (await agents[0]!.advertise(mesh.a.runDir, ...some)).error;
    expect(await refusalOf(...endpoints)).toMatch(/has 0 of 2 network services of endpoints, and 3 more/);
    const [one, two] = endpoints;
    expect(await refusalOf(one!, two!)).toMatch(/has 0 of 1 sockets of endpoints.*--limit endpointSockets=1/);
    expect(await refusalOf(one!)).toBe('');
    expect(await refusalOf({ ...one!, service: 'other' })).toBe('');
    for (const agent of agents) await agent.stop();
  });

  it('limits: routes that an endpoint gives are no more than its client may have', async () => {
    const there = mesh.pod('routing');
    const routing = await mesh.agent(there);
    const socket = join(folder, 'routing.sock');
    const routes = Array.from({ length: 20 }, (_, n) => [2, `10.8.${n}.0/24`] as const);
    const more = Buffer.from(message([101, message(...routes)])).toString('base64');
    await routing.serve(socket, { kind: 'answer', netns: there.netns, more });
    const { error } = await routing.advertise(mesh.a.runDir, { service: 'routes', name: 'r', socket });
    expect(error).toBe('');
    const asked = await Promise.all(['one', 'two'].map((id) => ask(strange, id, evil, 'routes')));
    expect(asked.map((reply) => reply.error).toSorted()).toEqual([
      '',
      expect.stringMatching(
        /has 20 of 30 routes of connections, and 20 more .*--limit routes=30 \(NSM0006\)/,
      ),
    ]);
    for (const id of ['one', 'two']) await strange!.close(mesh.a.runDir, id, 'routes');
    await routing.stop();
  });

  it('limits: memory that a pod only says to have does not become the forwarder’s', async () => {
    const connected = await nsmJson<Connected & { readonly interfaceParameters: Record<string, string> }>(
      ...['connect', 'fast', '--request-id', 'memory', '--netns', evil!.name, '--run-dir', mesh.a.runDir],
      ...['--interface', 'mem'],
    );
    const { socket: path = '', id = '', secret = '' } = connected.interfaceParameters;
    const socket = await waitFor(() => {
      try {
        return UnixSocket.connect(path, 128);
      } catch {
        return undefined;
      }
    });
    const hear = async (): Promise<Buffer> => {
      const packet = await waitFor(() => {
        const heard = socket.receive();
        return heard === 'nothing' ? undefined : heard;
      });
      return packet.data;
    };
    const say = (type: number, write: (bytes: Buffer) => void, fds: readonly number[] = []): void => {
      const bytes = Buffer.alloc(128);
      bytes.writeUInt16LE(type, 0);
      write(bytes);
      socket.send(bytes, fds);
    };
    // F_ADD_SEALS, F_SEAL_SHRINK: a file without a page in it that its owner cannot cut short.
    const fd = memory.memfdCreate('sparse', 2);
    memory.ftruncate(fd, 65 * mib);
    libc.fcntl(fd, 1033, 2);
    const [ack, hello, init, addRegion, disconnect] = [1, 2, 3, 4, 8] as const;
    expect((await hear()).readUInt16LE(0)).toBe(hello);
    say(init, (bytes) => {
      bytes.writeUInt16LE(0x0200, 2);
      bytes.writeUInt32LE(Number(id), 4);
      bytes.write(secret, 9);
    });
    expect((await hear()).readUInt16LE(0)).toBe(ack);
    say(addRegion, (bytes) => bytes.writeBigUInt64LE(BigInt(65 * mib), 4), [fd]);
    const answer = await hear();
    expect([answer.readUInt16LE(0), answer.toString('utf8', 6, answer.indexOf(0, 6))]).toEqual([
      disconnect,
      'limit of a pod: 64 MiB of shared memory (--limit sharedMemoryMib)',
    ]);
    libc.close(fd);
    socket.close();
    expect((await uses())('sharedMemoryMib')).toMatchObject({ limit: 64, refused: 1 });
  });

  it('limits: one pod that takes all it may and reads nothing costs the manager no more than that, and others nothing', {
    timeout: 90_000,
  }, async () => {
    chownSync(folder, user, user);
    const socket = join(folder, 'hanging.sock');
    await strange!.serve(socket, { kind: 'hang' });
    expect((await strange!.advertise(mesh.a.runDir, { service: 'hanging', name: 'h', socket })).error).toBe(
      '',
    );
    const rss = (): number =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${mesh.a.manager.pid}/status`, 'utf8'))![1]) / 1024;
    const before = rss();
    const drop = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
    const clientSocket = join(mesh.a.runDir, 'client.sock');
    {
      await using taking = await spawnIn(evil!.name, 'setpriv', [
        ...[...drop, process.execPath, greedy, clientSocket, 'hanging', '80'],
      ]);
      await waitFor(() => taking.output().includes('connections'), {
        timeout: 60_000,
        what: 'all being taken',
      });
      process.stderr.write(`${taking.output().trim()}; MiB of the manager: ${before} before, ${rss()} now\n`);
      expect(rss() - before).toBeLessThan(256);
      await expectService('meanwhile');
      const useOf = await uses();
      for (const name of ['sockets', 'streams', 'callBytes', 'watches'])
        expect(useOf(name), name).toMatchObject({ refused: expect.toSatisfy((n: number) => n > 0) });
      // Whoever comes from the pod hears why it is not served.
      const others = await Promise.all([1, 2, 3].map(() => mesh.agent(evil!, { user })));
      const told = others.map(
        async (other) => await ask(other, 'own', evil).catch(({ message }: Error) => message),
      );
      for (const word of await Promise.all(told))
        expect(word).toMatch(
          /network namespace \d+ has 64 of 64 connections to the manager.*--limit sockets=64 \(NSM0006\)/,
        );
    }
    await waitFor(async () => (await ask(strange, 'own', evil)).error === '', { what: 'room again' });
    await strange!.close(mesh.a.runDir, 'own', 'echo');
  });

  it('leaves nothing', async () => {
    await mesh.a.closeAll();
    expect(await mesh.remains()).toEqual([]);
  });
});
