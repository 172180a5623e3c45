// What no well-behaved peer sends: each is refused with its cause and a remedy, leaves nothing, and hurts nobody else.
import { requireRoot } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { extensions, kernelWith, labels, readDetails } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { devicesOf, hashOf } from '../mesh/pod-network.js';
import {
  type ConnectionRequest,
  type Endpoint,
  HW,
  interfaceOf,
  KERNEL,
  methods,
  proxyConnectionRequest,
  readProxyConnectionReply,
  readVerdict,
  SRIOV,
  VXLAN,
} from '../mesh/specification.js';
import { type Field, message } from '../mesh/wire.js';

const long = (length: number): string => 'x'.repeat(length);
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may come back in a message
const control = /[\x00-\x08\x0b-\x1f\x7f]/;

describe.skipIf(!requireRoot('bad input'))('bad input', () => {
  let mesh: Mesh;
  let client: Pod;
  let other: Pod;
  let agent: Agent;
  let stranger: Agent;
  let outside: Agent;
  let finished = false;

  beforeAll(async () => {
    mesh = await Mesh.start();
    client = mesh.pod('client');
    other = mesh.pod('other');
    const serving = { services: ['good'], flags: [] };
    [agent, stranger, outside] = await Promise.all([
      mesh.agent(client),
      mesh.agent(other),
      mesh.agent(mesh.a),
      mesh.endpoint(mesh.a, { pod: mesh.pod('here'), name: 'here', ...serving }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('there'), name: 'there', services: ['far'] }),
    ]);
    await mesh.a.knows('good/here', 'far/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  // Whatever came before: nothing is left of it, and a good request is served at once.
  afterEach(async () => {
    if (finished) return;
    expect(await mesh.sweep()).toEqual([]);
    const good = { requestId: 'good', service: 'good', netns: client.netns };
    expect(await agent.connect(mesh.a.runDir, good)).toMatchObject({ accepted: true, error: '' });
    await agent.close(mesh.a.runDir, 'good', 'good');
  });

  const isWellWorded = (error: string, cause: RegExp): void => {
    expect(error).toMatch(cause);
    expect(error).toMatch(/ \(NSM\d{4}\)$/);
    expect(error).not.toMatch(control);
    expect(error.length).toBeLessThan(1000);
  };

  describe('in a ConnectionRequest', () => {
    const refused = async (
      change: Partial<ConnectionRequest>,
      cause: RegExp,
      by: Agent = agent,
    ): Promise<void> => {
      const request = { requestId: 'bad', service: 'good', netns: client.netns, ...change };
      const { accepted, error } = await by.connect(mesh.a.runDir, request);
      expect(accepted).toBe(false);
      isWellWorded(error, cause);
    };

    it.each<[string, Partial<ConnectionRequest>, RegExp]>([
      ['an unknown service', { service: 'goood' }, /"goood"; known: far, good/],
      ['an empty id', { requestId: '' }, /request_id is empty: send/],
      ['an over-long id', { requestId: long(254) }, /request_id .*254 characters.*1 to 253/],
      ['an id of control characters', { requestId: 'a\n\u001b[31m\u0000b' }, /request_id .*1 to 253 letters/],
      ['an id with a slash', { requestId: 'a/b' }, /request_id "a\/b"/],
      ['an empty service', { service: '' }, /network_service_name is empty/],
      ['an over-long service', { service: long(300) }, /network_service_name .*1 to 253/],
      ['a service of control characters', { service: 'a\u0007b' }, /network_service_name/],
      ['a service that is a path', { service: '../good' }, /network_service_name/],
      ['no interface', { interfaces: [] }, /interface is empty: list at least one/],
      [
        '65 interfaces',
        { interfaces: Array(65).fill(interfaceOf(KERNEL)) },
        /interface has 65 entries; at most 64/,
      ],
      [
        'an unknown interface type',
        { interfaces: [interfaceOf(99)] },
        /interface type 99 is unknown; known: .*KERNEL/,
      ],
      ['a negative interface type', { interfaces: [interfaceOf(-1)] }, /interface type -1 is unknown/],
      ['an unknown preference', { interfaces: [interfaceOf(KERNEL, 6)] }, /preference 6 is unknown/],
      ['a negative preference', { interfaces: [interfaceOf(KERNEL, -1)] }, /preference -1 is unknown/],
      [
        'one preference twice',
        { interfaces: [interfaceOf(KERNEL, 1), interfaceOf(3, 1)] },
        /preference 1.*once/,
      ],
      [
        'a type nobody offers',
        { interfaces: [interfaceOf(SRIOV)] },
        /SRIOV.*here.*KERNEL|here.*SRIOV.*KERNEL/,
      ],
      ['an unknown lifetime', { more: [[101, 7]] }, /lifetime 7/],
      ['a bad label key', { more: [labels({ 'a b': 'c' })] }, /label key "a b"/],
      ['a long label value', { more: [labels({ a: long(64) })] }, /label value .*63/],
      ['a label nobody has', { more: [labels({ a: 'b' })] }, /a=b/],
      [
        'a name too long for a device',
        { interfaces: [kernelWith({ name: long(16) })] },
        /x{16}" cannot name an interface/,
      ],
      ['a path as name of a device', { interfaces: [kernelWith({ name: '../x' })] }, /"\.\.\/x" cannot name/],
      ['no name for a device', { interfaces: [kernelWith({ name: '' })] }, /"" cannot name an interface/],
      ...['lo', 'eth0', 'gre0'].map((name): [string, object, RegExp] => [
        `${name} as name of a device`,
        { interfaces: [kernelWith({ name })] },
        new RegExp(`"${name}" cannot name an interface: .*NSM0101`),
      ]),
    ])('%s', async (_, change, cause) => {
      await refused(change, cause);
    });

    it.each([
      ['no namespace', '', /linux_namespace is empty: name/],
      ['a namespace that is not there', 'no-such-namespace', /no-such-namespace/],
      ['an inode that is not there', 'net:[1]', /net:\[1\]/],
      ['a process that is not there', '/proc/4194304/ns/net', /\/proc\/4194304\/ns\/net/],
      ['another kind of namespace', '/proc/1/ns/mnt', /only paths accepted/],
      ['a file', '/etc/passwd', /only paths accepted/],
      ['a path that climbs', '/run/netns/../../etc/passwd', /begins with a dot|only paths accepted/],
      ['a path in disguise', 'a\u0000b', /control characters/],
      ['a very long name', long(100_000), /longer than 255/],
    ])('%s', async (_, netns, cause) => {
      await refused({ netns }, cause);
    });

    it("another pod's namespace", async () => {
      await refused({ netns: other.netns }, /is not the caller's own.*call from inside it/);
      await refused({ netns: client.name }, /is not the caller's own.*call from inside it/, stranger);
      expect(await devicesOf(other.name)).toEqual([]);
    });

    it('nothing at all', async () => {
      const target = `unix:${mesh.a.runDir}/client.sock`;
      const reply = await agent.replyTo(target, methods.requestConnection, new Uint8Array());
      isWellWorded(readVerdict(reply).error, /request_id is empty/);
    });

    it('text that is not UTF-8', async () => {
      const bytes = message(
        [1, Uint8Array.of(0x61, 0xff, 0xfe)],
        [2, 'good'],
        [3, client.netns],
        [4, interfaceOf(KERNEL)],
      );
      const called = await agent.call(`unix:${mesh.a.runDir}/client.sock`, methods.requestConnection, bytes);
      const error = called.kind === 'reply' ? readVerdict(called.bytes).error : called.details;
      expect(error).toMatch(/request_id|UTF-8|deserializ/i);
    });
  });

  describe('in an EndpointAdvertiseRequest', () => {
    const socket = (): string => `${mesh.dir}/nobody.sock`;
    const refused = async (cause: RegExp, ...changes: Partial<Endpoint>[]): Promise<void> => {
      const bad = changes.map((change) => ({ service: 'bad', name: 'bad', socket: socket(), ...change }));
      const { accepted, error } = await agent.advertise(mesh.a.runDir, ...bad);
      expect(accepted).toBe(false);
      isWellWorded(error, cause);
      expect((await mesh.a.endpoints()).toSorted()).toEqual(['far/there', 'good/here']);
    };

    it.each<[string, Partial<Endpoint>, RegExp]>([
      [
        'a socket where nobody listens',
        {},
        /no process of this network namespace answers on socket_location .*nobody\.sock, .*: serve it before/,
      ],
      ['a relative socket', { socket: 'x.sock' }, /socket_location must be the absolute path/],
      ['an over-long socket', { socket: `/${long(107)}` }, /socket_location is longer than the 107 bytes/],
      ['a socket of control characters', { socket: '/tmp/a\u0000b' }, /socket_location/],
      [
        'a file as socket',
        { socket: '/etc/passwd' },
        /no process of this network namespace answers on socket_location \/etc\/passwd/,
      ],
      ['no name', { name: '' }, /nse_provider_name is empty/],
      ['a name of control characters', { name: 'a\nb' }, /nse_provider_name/],
      ['an over-long service', { service: long(254) }, /network_service_name .*1 to 253/],
      ['a path as namespace', { namespace: 'a/b' }, /nse_provider_namespace "a\/b"/],
      ["another manager's host", { host: 'node-b' }, /"node-b".*"node-a"/],
      ['no interface', { interfaces: [] }, /interface is empty/],
      ['an unknown interface type', { interfaces: [interfaceOf(42)] }, /interface type 42 is unknown/],
      ['one preference twice', { interfaces: [interfaceOf(1, 2), interfaceOf(3, 2)] }, /preference 2.*once/],
      [
        "a name that others' devices have",
        { interfaces: [kernelWith({ name: 'eth0' })] },
        /"eth0" cannot name an interface/,
      ],
      ['a prefix that is none', { more: [[101, '10.0.0.0/33']] }, /"10\.0\.0\.0\/33" is not an IP prefix/],
    ])('%s', async (_, change, cause) => {
      await refused(cause, change);
    });

    it('no endpoint', async () => {
      await refused(/network_endpoint is empty/);
    });

    it('one bad endpoint among good ones: none is taken', async () => {
      const good = `${mesh.dir}/half-good.sock`;
      await agent.serve(good, { kind: 'answer', netns: client.netns });
      await refused(
        /no process of this network namespace/,
        { socket: good, name: 'first' },
        { name: 'second' },
      );
    });

    it("another pod's endpoint: neither replaced, nor changed, nor removed", async () => {
      const theirs = `${mesh.a.runDir}/endpoints/here.sock`;
      const mine = `${mesh.dir}/impostor.sock`;
      await agent.serve(mine, { kind: 'answer', netns: client.netns });
      await refused(/"here" already provides "good"/, { service: 'good', name: 'here', socket: mine });
      const remove = message([1, 'good'], [2, 'here']);
      const target = `unix:${mesh.a.runDir}/endpoint.sock`;
      const { error } = readVerdict(await agent.replyTo(target, extensions.removeEndpoint, remove));
      isWellWorded(error, /"here" belongs to another network namespace/);
      await refused(/network namespace/, {
        service: 'good',
        name: 'here',
        socket: theirs,
        more: [labels({ stolen: 'yes' })],
      });
    });
  });

  describe('in a ProxyConnectionRequest', () => {
    const far = { requestId: 'proxied', service: 'far', provider: 'there', tunnels: [VXLAN] };
    const send = async (
      change: Partial<typeof far> = {},
      more: readonly Field[] = [],
    ): Promise<{ readonly accepted: boolean; readonly error: string }> => {
      const bytes = Buffer.concat([proxyConnectionRequest({ ...far, ...change }), message(...more)]);
      return readProxyConnectionReply(
        await outside.replyTo(mesh.b.mtls, methods.requestProxyConnection, bytes),
      );
    };
    const tunnelTo = (address: string): Field => [4, message([1, VXLAN], [100, message([1, address])])];

    it.each<[string, Partial<typeof far>, Field[], RegExp]>([
      ['an empty id', { requestId: '' }, [], /request_id is empty/],
      ['an unknown endpoint', { provider: 'nobody' }, [], /"nobody" does not provide "far"/],
      ['a service of another', { service: 'good' }, [], /"there" does not provide "good"/],
      ['no tunnel type', { tunnels: [] }, [], /tunnel_type is empty: list/],
      ['an unknown tunnel type', { tunnels: [7] }, [], /tunnel type 7 is unknown; known: .*VXLAN/],
      ['an underlay address that is none', { tunnels: [] }, [tunnelTo('nonsense')], /"nonsense"/],
      ['a group as underlay address', { tunnels: [] }, [tunnelTo('224.0.0.1')], /224\.0\.0\.1/],
      ['a node that has no route', { tunnels: [] }, [tunnelTo('192.0.2.7')], /192\.0\.2\.7/],
      ['a prefix that is none', {}, [[105, 'everything']], /"everything" is not an IP prefix/],
      ['a connection id that is a path', {}, [[107, 'node-a:../../x']], /connection_id/],
      ['an over-long connection id', {}, [[107, `node-a:${long(300)}`]], /connection_id/],
      ['a connection id of control characters', {}, [[107, 'node-a:a\nb']], /connection_id/],
      ['interfaces nobody offers', {}, [[104, interfaceOf(HW)]], /HW.*KERNEL/],
      ["a name that others' devices have", {}, [[104, kernelWith({ name: 'lo' })]], /"lo" cannot name/],
    ])('%s', async (_, change, more, cause) => {
      const { accepted, error } = await send(change, more);
      expect(accepted).toBe(false);
      isWellWorded(error, cause);
    });

    it('a tunnel type that this node cannot do', async () => {
      const { capabilities } = await nsmJson<{ capabilities: { type: string; works: boolean }[] }>(
        'get',
        'tunnels',
        '--run-dir',
        mesh.b.runDir,
      );
      const names = ['VXLAN', 'GRE', 'VXLAN_GRE', 'MPLSoGRE', 'MPLSoUDP', 'MPLSoEthernet'];
      const works = new Set(capabilities.filter((entry) => entry.works).map(({ type }) => type));
      const missing = names.findIndex((name) => !works.has(name)) + 1;
      if (missing === 0) return;
      const { accepted, error } = await send({ tunnels: [missing] });
      expect(accepted).toBe(false);
      isWellWorded(error, new RegExp(`no tunnel type in common: .*${names[missing - 1]}.*VXLAN`));
    });

    it("the id of somebody else's connection: that one lives on", async () => {
      const near = mesh.pod('near');
      const inside = await mesh.agent(near);
      const reply = await inside.connectBytes(mesh.b.runDir, {
        requestId: 'mine',
        service: 'far',
        netns: near.netns,
      });
      const { id } = readDetails(reply);
      const before = await devicesOf(near.name);
      for (const part of [hashOf(id), id.slice(id.indexOf(':') + 1)]) {
        await send({}, [[107, `evil:${part}`]]);
        await outside.replyTo(
          mesh.b.mtls,
          extensions.closeProxyConnection,
          message([1, 'proxied'], [2, 'far'], [3, `evil:${part}`]),
        );
      }
      expect(await devicesOf(near.name)).toEqual(before);
      expect(
        (await mesh.b.connections()).filter((connection) => connection.requestId === 'mine'),
      ).toHaveLength(1);
      await inside.close(mesh.b.runDir, 'mine', 'far');
      expect(await mesh.remains()).toEqual([]);
    });
  });

  it('leaves nothing behind, and a log that programs can read', async () => {
    finished = true;
    expect(await mesh.finish()).toEqual([]);
    for (const line of [mesh.a, mesh.b].flatMap(({ log }) => log.split('\n').filter(Boolean)))
      expect(() => JSON.parse(line) as unknown, line).not.toThrow();
  });
});
