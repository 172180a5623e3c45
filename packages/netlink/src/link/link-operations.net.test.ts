// Changing, deleting and listing links, batches and errors on the real kernel, with `ip` as the oracle.
import { ipJson, leaks, makeNamespace, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DecodeError } from '../decode-error.js';
import { openNamespace } from '../namespaces/namespaces.js';
import { RouteSocket } from '../route/route-socket.js';
import { codeOf, shown } from './links.net.test.support.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('link operations'))('link operations', () => {
  let a: TestNamespace;
  let b: TestNamespace;
  beforeEach(() => {
    a = makeNamespace('a');
    b = makeNamespace('b');
  });
  afterEach(() => {
    a.remove();
    b.remove();
  });

  it('changes', async () => {
    const { index } = a.route.createLink({ kind: 'veth', name: 'v', peer: { name: 'p' } });
    a.route.setLink(index, {
      name: 'renamed',
      mac: '02:00:00:00:00:09',
      mtu: 9000,
      up: true,
      alias: 'ünicode alias',
      group: 3,
      txQueueLength: 7,
    });
    expect(await shown(a, 'renamed')).toMatchObject({
      ifindex: index,
      address: '02:00:00:00:00:09',
      mtu: 9000,
      ifalias: 'ünicode alias',
      group: '3',
      txqlen: 7,
    });
    a.route.setLink('renamed', { up: false, alias: '' });
    expect(a.route.link(index)).toMatchObject({ up: false, alias: undefined });
    a.route.setLink('renamed', { name: 'again' });
    expect(a.route.link('again')?.index).toBe(index);
    a.route.setLink('again', { namespace: b.namespace });
    expect(a.route.link('again')).toBeUndefined();
    expect(b.route.link('again')).toMatchObject({ name: 'again' });
  });

  it('brings a link up without a link-local address, and with one again', async () => {
    const { index } = a.route.createLink({ kind: 'veth', name: 'v', peer: { name: 'p', up: true } });
    const mode = async (): Promise<unknown> => {
      const [link] = await ipJson(a.name, ['-d', 'link', 'show', 'dev', 'v']);
      return link!.inet6_addr_gen_mode;
    };
    expect(await mode()).toBe('eui64');
    a.route.batch(() => {
      a.route.setLink(index, { ipv6AddressGeneration: 'none' });
      a.route.setLink(index, { up: true });
    });
    expect(await mode()).toBe('none');
    expect(a.route.addresses({ index, family: 'ipv6' })).toEqual([]);
    a.route.setLink(index, { up: false, ipv6AddressGeneration: 'eui64' });
    a.route.setLink(index, { up: true });
    expect(await mode()).toBe('eui64');
    expect(a.route.addresses({ index, family: 'ipv6' })).toMatchObject([{ scope: 'link' }]);
  });

  it('deletes one, and a whole group', () => {
    for (let n = 0; n < 5; n++)
      a.route.addLink({
        kind: 'veth',
        name: `v${n}`,
        group: n < 4 ? 9 : 0,
        peer: { name: `p${n}`, namespace: b.namespace },
      });
    expect(a.route.links({ group: 9 })).toHaveLength(4);
    a.route.deleteGroup(9);
    expect(a.route.links({ kind: 'veth' }).map(({ name }) => name)).toEqual(['v4']);
    a.route.deleteLink('v4');
    expect(b.route.links({ kind: 'veth' })).toEqual([]);
    expect(codeOf(() => a.route.deleteLink('v4'))).toBe('ENODEV');
    expect(codeOf(() => a.route.deleteGroup(9))).toBe('ENODEV');
    expect(() => a.route.deleteGroup(0)).toThrow('group 0');
  });

  it('lists what `ip` lists', async () => {
    for (let n = 0; n < 60; n++) a.route.addLink({ kind: 'veth', name: `v${n}`, peer: { name: `p${n}` } });
    const listed = await ipJson(a.name, ['link']);
    const links = a.route.links();
    expect(links.map(({ index, name, mtu }) => ({ index, name, mtu }))).toEqual(
      listed.map(({ ifindex, ifname, mtu }) => ({ index: ifindex, name: ifname, mtu })),
    );
    expect(links[0]?.statistics).toBeDefined();
    expect(a.route.links({ kind: 'bridge' })).toEqual([]);
  });

  it('says what went wrong, in the kernel’s own words where it has any', () => {
    a.route.addLink({ kind: 'veth', name: 'v', peer: { name: 'p' } });
    const { inode } = a.namespace;
    expect(() => a.route.addLink({ kind: 'veth', name: 'v', peer: { name: 'q' } })).toThrow(
      `EEXIST: add link v in netns ${inode}: File exists`,
    );
    try {
      a.route.setLink('v', { mtu: 1 });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'EINVAL', kernelText: 'mtu less than device minimum' });
    }
    try {
      a.route.addLink({ kind: 'bridge', name: 'much-too-long-a-name' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERANGE', kernelText: expect.any(String), attributeOffset: 32 });
    }
    expect(a.route.link('nowhere')).toBeUndefined();
    expect(a.route.link(4711)).toBeUndefined();
    expect(a.route.link('much-too-long-a-name')).toBeUndefined();
    expect(() => a.route.addLink({ kind: 'bridge', name: 'a\0b' })).toThrow('NUL');
    expect(() => a.route.setLink('v', { mtu: -1 })).toThrow(DecodeError);
    expect(() => a.route.setLink('v', { mac: 'nonsense' })).toThrow(DecodeError);
    using closed = openNamespace(b.name);
    closed.close();
    expect(() => a.route.setLink('v', { namespace: closed })).toThrow('it has been closed');
  });

  it('carries out a batch and says which requests failed', () => {
    const { index } = a.route.createLink({ kind: 'veth', name: 'v', peer: { name: 'p' } });
    try {
      a.route.batch((socket) => {
        socket.addAddress(index, { address: '10.0.0.1/24' });
        socket.addAddress(4711, { address: '10.0.0.2/24' });
        socket.setLink(index, { up: true, alias: 'batched' });
        socket.addAddress(index, { address: '10.0.0.1/24' });
      });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        index: 1,
        code: 'ENODEV',
        operation: 'add address',
        failures: [{ index: 1 }, { index: 3, error: { code: 'EEXIST' } }],
      });
    }
    expect(a.route.link(index)).toMatchObject({ up: true, alias: 'batched' });
    expect(a.route.addresses({ index, family: 'ipv4' })).toHaveLength(1);
    // Far more than one send takes.
    a.route.batch(() => {
      for (let n = 0; n < 1000; n++) a.route.addAddress(index, { address: `10.1.${n >> 8}.${n & 255}/32` });
    });
    expect(a.route.addresses({ index, family: 'ipv4' })).toHaveLength(1001);
    expect(() => a.route.batch(() => a.route.links())).toThrow(TypeError);
    // What was gathered before the throw is not sent, and the socket works as before.
    expect(() =>
      a.route.batch(() => {
        a.route.setLink(index, { up: false });
        throw new Error('changed my mind');
      }),
    ).toThrow('changed my mind');
    expect(a.route.link(index)?.up).toBe(true);
    a.route.batch(() => {});
  });

  it('keeps no namespace alive once closed', async () => {
    const pod = makeNamespace('pod');
    const id = a.route.setNamespaceId(pod.namespace);
    a.route.addLink({
      kind: 'veth',
      name: 'v',
      peer: { name: 'p', namespace: pod.namespace, up: true, alias: 'x' },
    });
    using socket = RouteSocket.open(pod.namespace);
    socket.links();
    socket.close();
    expect(() => socket.links()).toThrow('EBADF');
    pod.remove();
    expect(id).toBeGreaterThanOrEqual(0);
    const { waitFor } = await import('@nsm/testkit');
    // The kernel takes namespaces down in the background, and with them the other end here.
    await waitFor(() => a.route.link('v') === undefined, { what: 'end of the namespace' });
  });
});
