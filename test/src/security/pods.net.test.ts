// What ordinary users in pods, and on the node, try with the manager's sockets: tests are named after the rows of docs/security.md.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libc, refuseDescriptors } from '@nsm/netlink';
import { ipJson, type Running, requireRoot, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { extensions } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { connectionRequest, methods, readVerdict } from '../mesh/specification.js';
import { message } from '../mesh/wire.js';
import {
  callHeaders,
  endHeaders,
  endStream,
  frame,
  message as grpcMessage,
  preface,
  type,
} from './http2-frames.js';

const [user, otherUser] = [61_001, 61_002];
const handedOn = fileURLToPath(new URL('./handed-on.js', import.meta.url));

describe.skipIf(!requireRoot('security of pods'))('pods and their sockets', () => {
  let mesh: Mesh;
  let folder: string;
  let [victim, evil, serving]: Pod[] = [];
  let [own, strange, onNode, endpoint]: Agent[] = [];
  const left: Running[] = [];
  const children: number[] = [];

  beforeAll(async () => {
    mesh = await Mesh.start();
    chmodSync(mesh.dir, 0o711);
    folder = join(mesh.dir, 'user');
    mkdirSync(folder);
    chownSync(folder, user, user);
    [victim, evil, serving] = ['victim', 'evil', 'serving'].map((label) => mesh.pod(label));
    [own, strange, onNode, endpoint] = await Promise.all([
      mesh.agent(victim!, { user: otherUser }),
      mesh.agent(evil!, { user }),
      mesh.agent(mesh.a, { user }),
      mesh.agent(evil!, { user }),
    ]);
    await mesh.endpoint(mesh.a, { pod: serving!, name: 'echo', services: ['echo'] });
  });
  afterAll(async () => {
    for (const running of left) await running.stop();
    for (const child of children) endNow(child);
    await mesh?.stop();
  });

  const ask = async (agent: Agent | undefined, requestId: string, netns: string, service = 'echo') =>
    await agent!.connect(mesh.a.runDir, { requestId, service, netns });
  const devices = async (pod: Pod | undefined): Promise<number> =>
    (await ipJson(pod!.name, ['link'])).length - 1;

  /** Starts a program that hands its socket on; the number of the process that opened it, which has ended. */
  const handOn = async (...args: readonly string[]): Promise<number> => {
    const running = await spawnIn(evil!.name, 'setpriv', [
      ...[`--reuid=${user}`, `--regid=${user}`, '--clear-groups', process.execPath, handedOn, ...args],
    ]);
    left.push(running);
    await waitFor(() => running.output().includes('opened'));
    const [opener = 0, child = 0] = running.output().match(/\d+/g)!.map(Number);
    children.push(child);
    await running.exited;
    return opener;
  };

  /** A process of the victim gets the number, if the kernel gives it. */
  const takeNumber = async (pid: number): Promise<void> => {
    for (let tries = 0; tries < 20 && !existsSync(`/proc/${pid}`); tries++) {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
      left.push(await spawnIn(undefined, 'nsenter', [`--net=/run/netns/${victim!.name}`, 'sleep', '60']));
    }
  };

  it('caller: a socket counts as its opener’s, also when that has ended and its pid is another’s', async () => {
    const relay = join(folder, 'relay.sock');
    await takeNumber(await handOn('connection', join(mesh.a.runDir, 'client.sock'), relay));
    chmodSync(relay, 0o666);
    const call = async (requestId: string, netns: string) => {
      const bytes = connectionRequest({ requestId, service: 'echo', netns });
      return readVerdict(await strange!.replyTo(`unix:${relay}`, methods.requestConnection, bytes));
    };
    expect((await call('stolen', victim!.netns)).error).toMatch(/is not the caller's own/);
    expect(await devices(victim)).toBe(0);
    expect(await call('mine', evil!.netns)).toEqual({ accepted: true, error: '' });
    await strange!.close(mesh.a.runDir, 'mine', 'echo');
  });

  it('listener: a process that has ended speaks for nobody, whoever has its pid', async () => {
    const socket = join(folder, 'orphan.sock');
    await takeNumber(await handOn('listener', socket));
    const { error } = await strange!.advertise(mesh.a.runDir, { service: 'orphan', name: 'orphan', socket });
    expect(error).toMatch(/has ended|no process of this network namespace/);
  });

  it('listener: no symbolic link is followed, and an endpoint names no namespace but its own', async () => {
    const socket = join(folder, 'e.sock');
    await endpoint!.serve(socket, { kind: 'answer', netns: victim!.netns });
    const link = join(folder, 'link.sock');
    symlinkSync(socket, link);
    const told = { service: 'foreign', name: 'foreign' };
    const refusalOf = async (path: string): Promise<string> => {
      const { error } = await strange!.advertise(mesh.a.runDir, { ...told, socket: path });
      return error.replace(path, 'PATH');
    };
    expect(await refusalOf(link)).toMatch(/not a symbolic link/);
    // Nor is it told which files and sockets of others there are.
    const { runDir } = mesh.a;
    const paths = [
      '/root',
      '/root/nothing',
      '/etc/shadow',
      '/dev/null',
      `${runDir}/admin.sock`,
      `${runDir}/client.sock`,
    ];
    expect(new Set(await Promise.all(paths.map(refusalOf)))).toEqual(new Set([await refusalOf(link)]));
    expect((await strange!.advertise(mesh.a.runDir, { ...told, socket })).error).toBe('');
    for (const netns of [victim!.netns, `net:[${mesh.a.namespace.namespace.inode}]`]) {
      await endpoint!.behave({ kind: 'answer', netns });
      expect((await ask(strange, 'foreign', evil!.netns, 'foreign')).error).toMatch(/which is not its own/);
    }
    expect(await devices(victim)).toBe(0);
  });

  it('listener: no file is looked for among those that a user namespace has mounted', async () => {
    const socket = join(folder, 'within.sock');
    await endpoint!.serve(socket, { kind: 'answer', netns: evil!.netns });
    const advertised = async (pid: number): Promise<string> => {
      const told = { service: 'within', name: 'within', socket: `/proc/${pid}/root${socket}` };
      return (await strange!.advertise(mesh.a.runDir, told)).error;
    };
    const asUser = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
    const inside = await spawnIn(evil!.name, 'setpriv', [
      ...asUser,
      'unshare',
      '-Urm',
      'sh',
      '-c',
      'echo in; exec sleep 60',
    ]);
    left.push(inside);
    await waitFor(() => inside.output().includes('in'));
    expect(await advertised(inside.pid)).toMatch(/no process of this network namespace answers/);
    // As a container's process, whose files the node has mounted.
    expect(await advertised(endpoint!.pid)).toBe('');
  });

  it('descriptors: what a pod hands to the manager, and would take ten minutes to close, holds up nobody', async (context) => {
    if (!canRefuseDescriptors()) return context.skip('takes Linux 6.16');
    const handOver = async (...args: readonly string[]): Promise<Running> => {
      const program = [process.execPath, fileURLToPath(new URL('./hands-over.js', import.meta.url))];
      const running = await spawnIn(evil!.name, 'setpriv', [
        ...[`--reuid=${user}`, `--regid=${user}`, '--clear-groups', ...program, ...args],
      ]);
      left.push(running);
      return running;
    };
    const socket = join(folder, 'handing.sock');
    const serving = await handOver('serve', socket);
    const calling = await Promise.all(
      ['client', 'endpoint'].map((name) => handOver('call', join(mesh.a.runDir, `${name}.sock`))),
    );
    await waitFor(() => serving.output().includes('serving'));
    await strange!.advertise(mesh.a.runDir, { service: 'handing', name: 'handing', socket });
    for (const running of [serving, ...calling])
      await waitFor(() => running.output().includes('refused EPERM'), { what: running.output() });
    expect((await ask(own, 'meanwhile', victim!.netns)).error).toBe('');
    await own!.close(mesh.a.runDir, 'meanwhile', 'echo');
  });

  it('request_id: each namespace has its own, and hears nothing of others', async () => {
    expect((await ask(strange, 'pod-uid', evil!.netns)).error).toBe('');
    expect((await ask(own, 'pod-uid', victim!.netns)).error).toBe('');
    await strange!.close(mesh.a.runDir, 'pod-uid', 'echo');
    expect([await devices(victim), await devices(evil)]).toEqual([1, 0]);
    const [anothers, nobodys] = await Promise.all(
      ['only-victims', 'nobodys'].map(async (requestId, index) => {
        if (index === 0) await ask(own, requestId, victim!.netns);
        const stranger = await mesh.agent(mesh.pod(`stranger-${index}`), { user });
        await strange!.close(mesh.a.runDir, requestId, 'echo');
        return await stranger.close(mesh.a.runDir, requestId, 'echo').catch(({ message }: Error) => message);
      }),
    );
    expect(anothers).toMatch(/this network namespace never asked for a connection here/);
    expect(String(anothers).replace('only-victims', 'nobodys')).toBe(nobodys);
    expect(await devices(victim)).toBe(2);
    for (const requestId of ['pod-uid', 'only-victims']) await own!.close(mesh.a.runDir, requestId, 'echo');
  });

  it('node: an ordinary user neither redirects it nor speaks for others’ endpoints', async () => {
    await mesh.spawn(mesh.a.namespace.name, '"event":"advertised"', [
      ...[
        'endpoint',
        'icmp-responder',
        '--name',
        'roots',
        '--service',
        'roots',
        '--run-dir',
        mesh.a.runDir,
        '--json',
      ],
    ]);
    const socket = join(mesh.a.runDir, 'endpoints', 'roots.sock');
    const { accepted } = await onNode!.advertise(mesh.a.runDir, { service: 'gateway', name: 'fake', socket });
    expect(accepted).toBe(false);
    const node = `net:[${mesh.a.namespace.namespace.inode}]`;
    expect((await ask(onNode, 'node', node)).error).toMatch(/is the node's own/);
    const endpoints = await nsmJson<{ name: string }[]>('get', 'endpoints', '--run-dir', mesh.a.runDir);
    expect(endpoints.map(({ name }) => name)).toContain('roots');
  });

  it('caller: a pod in a user namespace of its own is served, as the user that it is outside, and names no other', async () => {
    const pod = mesh.pod('rootless');
    const rootless = await mesh.agent(pod, { user });
    const inside = await spawnIn(undefined, 'setpriv', [
      ...[
        `--reuid=${user}`,
        `--regid=${user}`,
        '--clear-groups',
        'unshare',
        '-Urn',
        process.execPath,
        handedOn,
      ],
      ...['connection', join(mesh.a.runDir, 'client.sock'), join(folder, 'rootless.sock')],
    ]);
    left.push(inside);
    await waitFor(() => inside.output().includes('opened'));
    children.push(Number(inside.output().match(/\d+/g)![1]));
    const call = async (netns: string) => {
      const bytes = connectionRequest({ requestId: 'rootless', service: 'echo', netns });
      return readVerdict(
        await rootless.replyTo(`unix:${join(folder, 'rootless.sock')}`, methods.requestConnection, bytes),
      );
    };
    for (const netns of [victim!.netns, `net:[${mesh.a.namespace.namespace.inode}]`])
      expect((await call(netns)).error).toMatch(/is not the caller's own/);
    const own = readlinkSync(`/proc/${children.at(-1)}/ns/net`);
    expect(await call(own)).toEqual({ accepted: true, error: '' });
  });

  it('isolation: a pod sees and ends nothing of another’s, and calls no operator’s socket', async () => {
    expect((await ask(own, 'isolated', victim!.netns)).error).toBe('');
    const [{ id = '' } = {}] = await mesh.a.connections();
    const watch = Buffer.concat([
      ...[preface, frame(type.settings, 0, 0)],
      frame(type.headers, endHeaders, 1, callHeaders('/nsmconnect.ClientConnection/WatchConnections')),
      frame(type.data, endStream, 1, grpcMessage(0, Buffer.alloc(0))),
    ]);
    const hears = async (agent: Agent): Promise<string> =>
      (await agent.speak(join(mesh.a.runDir, 'client.sock'), watch, { patienceMs: 500 })).received;
    expect(await hears(own!)).toContain('isolated');
    const words = await hears(strange!);
    for (const secret of ['isolated', id, victim!.name]) expect(words).not.toContain(secret);
    await strange!.closeAsEndpoint(mesh.a.runDir, 'isolated', 'echo').catch(() => undefined);
    const removal = message([1, 'echo'], [2, 'echo'], [3, 'default']);
    await strange!.replyTo(`unix:${mesh.a.runDir}/endpoint.sock`, extensions.removeEndpoint, removal);
    expect(await devices(victim)).toBe(1);
    expect(await mesh.a.endpoints()).toContain('echo/echo');
    const method = '/nsmadmin.Admin/ListConnections';
    const called = await strange!.call(`unix:${mesh.a.runDir}/admin.sock`, method, new Uint8Array(), 2000);
    expect(called).toMatchObject({ kind: 'failed', code: 14 });
    await own!.close(mesh.a.runDir, 'isolated', 'echo');
  });

  it('limits: endpoints of a pod are so many bytes and no more', async () => {
    const socket = join(folder, 'many.sock');
    const many = await mesh.agent(mesh.pod('many'), { user });
    await many.serve(socket, { kind: 'hang' });
    const selector = Array.from({ length: 60 }, (_, index) =>
      message([1, `k${index}`.padEnd(250, 'x')], [2, 'v'.repeat(63)]),
    );
    const more = [[100, message(...selector.map((entry) => [1, entry] as const))] as const];
    let error = '';
    for (let part = 0; part < 12 && error === ''; part++)
      ({ error } = await many.advertise(
        mesh.a.runDir,
        ...Array.from({ length: 32 }, (_, index) => ({
          service: `s${part}-${index}`,
          name: `e${part}-${index}`,
          socket,
          more,
        })),
      ));
    expect(error).toMatch(/bytes of advertised endpoints.*--limit endpointBytes/);
    await many.stop();
  });
});

function canRefuseDescriptors(): boolean {
  const fd = libc.socket(libc.AF_UNIX, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0);
  try {
    return refuseDescriptors(fd);
  } finally {
    libc.close(fd);
  }
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with what it served.
  }
}
