// Namespaces, events from all of them, and dumps that change while they are read.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  ipJson,
  leaks,
  makeNamespace,
  namePrefix,
  requireRoot,
  run,
  spawnIn,
  waitFor,
  waitForItem,
  withNamespaces,
} from '@nsm/testkit';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { errno } from '../libc/errno.js';
import { MessageReceiver } from '../libc/libc.js';
import { NamespaceError } from '../namespaces/namespace-error.js';
import {
  createNamespace,
  currentNamespace,
  deleteNamespace,
  listNamespaces,
  namespaceOfProcess,
  openNamespace,
} from '../namespaces/namespaces.js';
import type { RouteEvent } from './route-events.js';
import { RouteMonitor } from './route-monitor.js';
import { RouteSocket } from './route-socket.js';

afterAll(() => expect(leaks()).toEqual([]));
const privileged = requireRoot('namespaces and monitor');

/** The next read of a monitor fails. */
function failOnce(): Disposable {
  const received = vi.spyOn(MessageReceiver.prototype, 'receive').mockReturnValueOnce(-(errno.EIO ?? 0));
  return { [Symbol.dispose]: () => received.mockRestore() };
}

/** The next uncaught exception, which is not one of the test. */
function onceUncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener);
      resolve(error);
    });
  });
}

describe.skipIf(!privileged)('namespaces', () => {
  it('are made as `ip netns` makes them, and found by name, path, process and inode', async () => {
    const name = `${namePrefix}made`;
    createNamespace(name);
    try {
      expect(() => createNamespace(name)).toThrow(NamespaceError);
      expect(await run(undefined, 'ip', ['netns', 'list'])).toMatch(new RegExp(`^${name}\\b`, 'm'));
      // Nothing is up, not even lo.
      expect(await ipJson(name, ['link'])).toMatchObject([{ ifname: 'lo', operstate: 'DOWN' }]);
      using namespace = openNamespace(name);
      await using sleeper = await spawnIn(name, 'sleep', ['60']);
      await waitFor(() => namespaceOfProcess(sleeper.pid) === namespace.inode);
      expect(listNamespaces()).toContainEqual({
        inode: namespace.inode,
        path: `/run/netns/${name}`,
        names: [name],
        pids: [sleeper.pid],
      });
      for (const reference of [
        `/run/netns/${name}`,
        `/var/run/netns/${name}`,
        String(namespace.inode),
        `/proc/${sleeper.pid}/ns/net`,
      ]) {
        using again = openNamespace(reference);
        expect(again.inode).toBe(namespace.inode);
      }
      // Without its name it is found by its process, a wrong hint notwithstanding.
      deleteNamespace(name);
      using found = openNamespace({ inode: namespace.inode, hint: '/proc/self/ns/net' });
      expect(found.path).toBe(`/proc/${sleeper.pid}/ns/net`);
    } finally {
      try {
        deleteNamespace(name);
      } catch {
        // Deleted above.
      }
    }
  });

  it('are entered and left again, whatever happens inside', () =>
    withNamespaces(['a', 'b'], (a, b) => {
      using home = currentNamespace();
      const inode = (): number => {
        using here = currentNamespace();
        return here.inode;
      };
      expect(a.namespace.run(inode)).toBe(a.namespace.inode);
      expect(a.namespace.run(() => b.namespace.run(inode))).toBe(b.namespace.inode);
      expect(a.namespace.run(() => [b.namespace.run(inode), inode()])).toEqual([
        b.namespace.inode,
        a.namespace.inode,
      ]);
      expect(() =>
        a.namespace.run(() => {
          throw new Error('inside');
        }),
      ).toThrow('inside');
      expect(() => a.namespace.run(async () => 1)).toThrow(TypeError);
      expect(inode()).toBe(home.inode);
      using closed = openNamespace(a.name);
      closed.close();
      expect(() => closed.run(inode)).toThrow(NamespaceError);
      expect(a.namespace.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'))).not.toContain('eth0');
    }));

  it('refuse what is no namespace', async () => {
    const name = `${namePrefix}file`;
    await run(undefined, 'touch', [`/run/netns/${name}`]);
    expect(() => openNamespace(name)).toThrow('not a network namespace');
    deleteNamespace(name);
    await run(undefined, 'mkfifo', [`/run/netns/${name}`]);
    expect(() => openNamespace(name)).toThrow('not a network namespace');
    deleteNamespace(name);
  });

  it('can be made in a user namespace, without root', async () => {
    const index = new URL('../index.js', import.meta.url).href;
    const code = `
      import { createNamespace, deleteNamespace, openNamespace, RouteSocket } from ${JSON.stringify(index)};
      createNamespace('inner');
      const inner = openNamespace('inner');
      const route = RouteSocket.open();
      route.addLink({ kind: 'veth', name: 'v', up: true, alias: 'x', peer: { name: 'p', namespace: inner, up: true } });
      console.log(route.link('v').operstate);
      deleteNamespace('inner');`;
    const script = `mount -t tmpfs tmpfs /run && exec ${process.execPath} --input-type=module -e "$0"`;
    const output = await run(undefined, 'unshare', [
      '--user',
      '--map-root-user',
      '--net',
      '--mount',
      'sh',
      '-c',
      script,
      code,
    ]);
    expect(output).toBe('up\n');
  });
});

describe.skipIf(!privileged)('RouteMonitor', () => {
  it('tells of links, addresses, routes and neighbours', () =>
    withNamespaces(['a'], async (a) => {
      using monitor = RouteMonitor.open({ namespace: a.namespace });
      const seen: RouteEvent[] = [];
      monitor.on('event', (event) => seen.push(event));
      const links: string[] = [];
      monitor.on('link', ({ action, link }) => links.push(`${action} ${link.name}`));
      const { index } = a.route.createLink({
        kind: 'veth',
        name: 'v',
        up: true,
        peer: { name: 'p', up: true },
      });
      a.route.addAddress(index, { address: '10.0.0.1/24' });
      a.route.addRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.2' });
      a.route.addNeighbour({ address: '10.0.0.2', device: index, mac: '02:00:00:00:00:02' });
      a.route.deleteLink(index);
      await waitFor(() => links.includes('delete v'));
      expect(links).toContain('new v');
      const has = (wanted: object): void => expect(seen).toContainEqual(expect.objectContaining(wanted));
      has({
        type: 'address',
        action: 'new',
        address: expect.objectContaining({ address: '10.0.0.1/24', index }),
      });
      has({ type: 'route', action: 'new', route: expect.objectContaining({ destination: '10.1.0.0/16' }) });
      has({ type: 'neighbour', action: 'new', neighbour: expect.objectContaining({ address: '10.0.0.2' }) });
      has({ type: 'address', action: 'delete' });
    }));

  it('tells only of losses if asked to', () =>
    withNamespaces(['a'], async (a) => {
      using monitor = RouteMonitor.open({ namespace: a.namespace, groups: ['link'], lossesOnly: true });
      const told: string[] = [];
      monitor.on('link', ({ action, link }) => told.push(`${action} ${link.name}`));
      for (const name of ['v', 'w']) {
        a.route.addLink({ kind: 'bridge', name, up: true });
        a.route.setLink(name, { mtu: 1400 });
        a.route.setLink(name, { up: false });
        a.route.deleteLink(name);
      }
      await waitFor(() => told.includes('delete w'));
      // A link is down when it is made, when it is set down, and when it goes.
      expect(new Set(told)).toEqual(new Set(['new v', 'delete v', 'new w', 'delete w']));
    }));

  it('tells of other namespaces by their id, and of their end, without keeping them alive', () =>
    withNamespaces(['node'], async (node) => {
      const pod = makeNamespace('pod');
      using monitor = RouteMonitor.open({
        namespace: node.namespace,
        groups: ['link', 'address', 'nsid'],
        allNamespaces: true,
      });
      expect(node.route.namespaceId(pod.namespace)).toBeUndefined();
      const id = node.route.setNamespaceId(pod.namespace);
      expect(node.route.namespaceId(pod.namespace)).toBe(id);
      expect(() => node.route.setNamespaceId(pod.namespace, id + 1)).toThrow('EEXIST');
      const events = monitor[Symbol.asyncIterator]();
      const next = waitForItem({ [Symbol.asyncIterator]: () => events }, (event) => event.type === 'address');
      node.route.addLink({ kind: 'veth', name: 'v', peer: { name: 'p', namespace: pod.namespace } });
      pod.route.addAddress(pod.route.link('p')!.index, { address: '10.0.0.2/24' });
      expect(await next).toMatchObject({ namespaceId: id, address: { address: '10.0.0.2/24' } });
      const gone = waitForItem(monitor, (event) => event.type === 'nsid' && event.action === 'delete');
      pod.remove();
      expect(await gone).toMatchObject({ id, namespaceId: undefined });
    }));

  it('says when events were lost', () =>
    withNamespaces(['a'], async (a) => {
      using monitor = RouteMonitor.open({ namespace: a.namespace, groups: ['address'], receiveBuffer: 4096 });
      const overrun = waitForItem(monitor, (event) => event.type === 'overrun');
      a.route.batch(() => {
        for (let n = 0; n < 500; n++) a.route.addAddress(1, { address: `10.0.${n >> 8}.${n & 255}/32` });
      });
      expect(await overrun).toEqual({ type: 'overrun' });
      // And goes on afterwards.
      const later = waitForItem(
        monitor,
        (event) => event.type === 'address' && event.address.address === '10.9.9.9/32',
      );
      a.route.addAddress(1, { address: '10.9.9.9/32' });
      await later;
    }));

  it('that fails is heard of: by an error, which nobody overlooks, and by its iterations', () =>
    withNamespaces(['a'], async (a) => {
      const failing = async (use: (monitor: RouteMonitor) => Promise<unknown>): Promise<unknown> => {
        using monitor = RouteMonitor.open({ namespace: a.namespace, groups: ['address'] });
        const heard = use(monitor);
        using _failure = failOnce();
        a.route.addAddress(1, { address: '10.0.0.1/32' });
        a.route.deleteAddress(1, { address: '10.0.0.1/32' });
        return await heard.finally(() => expect(monitor.fd).toBe(-1));
      };
      const failed = { code: 'EIO', operation: 'listen' };
      expect(await failing((monitor) => once(monitor, 'error'))).toMatchObject([failed]);
      await expect(failing((monitor) => waitForItem(monitor, () => false))).rejects.toMatchObject(failed);
      const uncaught = failing(async () => await onceUncaught());
      expect(await uncaught).toMatchObject(failed);
    }));

  it('ends its iterations when closed or aborted', () =>
    withNamespaces(['a'], async (a) => {
      const controller = new AbortController();
      const monitor = RouteMonitor.open({ namespace: a.namespace, signal: controller.signal });
      const ended = (async () => {
        for await (const _ of monitor);
        return 'ended';
      })();
      controller.abort(new Error('enough'));
      expect(await ended).toBe('ended');
      expect(monitor.fd).toBe(-1);
      monitor.close();
      expect(() => RouteMonitor.open({ signal: AbortSignal.abort(new Error('before')) })).toThrow('before');
    }));
});

describe.skipIf(!privileged)('dumps', () => {
  it('that change while they are read are read again', () =>
    withNamespaces(['a'], async (a) => {
      for (let n = 0; n < 80; n++) a.route.addLink({ kind: 'veth', name: `v${n}`, peer: { name: `p${n}` } });
      const script = 'while :; do ip link add type veth; ip link del veth0; done';
      await using churn = await spawnIn(a.name, 'sh', ['-c', script]);
      expect(churn.pid).toBeGreaterThan(0);
      let interrupted = 0;
      let complete = 0;
      for (let round = 0; round < 200; round++) {
        const links = a.route.links({ acceptInterrupted: true });
        expect(links.filter(({ name }) => /^[vp]\d+$/.test(name))).toHaveLength(160);
        try {
          const names = a.route.links().map(({ name }) => name);
          expect(new Set(names).size).toBe(names.length);
          complete++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'EINTR' });
          interrupted++;
        }
      }
      expect(complete).toBeGreaterThan(interrupted);
    }));

  it('leave the socket usable when given up half way', () =>
    withNamespaces(['a'], (a) => {
      for (let n = 0; n < 100; n++) a.route.addLink({ kind: 'veth', name: `v${n}`, peer: { name: `p${n}` } });
      using route = RouteSocket.open(a.namespace);
      for (let round = 0; round < 3; round++) {
        expect(() => route.link('\0')).toThrow('NUL');
        expect(route.links()).toHaveLength(201);
        expect(() => route.setLink(4711, { up: true })).toThrow('ENODEV');
      }
    }));
});
