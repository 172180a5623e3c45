// What a connection's MTU says passes, and not a byte more: when it is made, and when it goes to another endpoint.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

/** Bytes of IPv4 and ICMP header. */
const headers = 28;

/** From where to where, what each endpoint names, what the client was told, and what holds afterwards. */
const changes = [
  ['from this node to another: it shrinks', 0, 1, [0, 0], 1500, 1450],
  ['from another node to this: it stays', 1, 0, [0, 0], 1450, 1450],
  ['jumbo, from this node to another: it shrinks', 0, 1, [9000, 0], 9000, 1450],
  ['jumbo, from this node to this: it stays', 0, 0, [9000, 0], 9000, 9000],
  ['from another node to one of this that names its own: it grows', 1, 0, [0, 9000], 1450, 9000],
] as const;

describe.skipIf(!requireRoot('MTU'))('the MTU of a connection', { timeout: 60_000 }, () => {
  const shared = sharedMesh(['client', 'endpoint', 'first', 'second']);
  afterEach(() => setUnderlay(shared.mesh, 1500));

  function setUnderlay(mesh: TestMesh, mtu: number): void {
    for (const node of ['node-a', 'node-b']) mesh.pod(node).route.setLink('under', { mtu });
  }

  const request = (mesh: TestMesh, parameters: Record<string, string> = {}) =>
    mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [{ ...kernel, parameters: { interfaceParameters: parameters } }],
    });

  /** Through the connection as operators see it now. */
  async function expectExactly(mesh: TestMesh, mtu: number): Promise<void> {
    const { connections } = await mesh.operator(0).listConnections({});
    expect(connections).toMatchObject([{ state: 'UP', connectionParameters: { mtu } }]);
    const { interfaceName, peerAddresses } = connections[0]!.connectionParameters!;
    const client = mesh.pod('client');
    expect(client.route.link(interfaceName)?.mtu).toBe(mtu);
    const whole = { df: true, size: mtu - headers, count: 3 };
    expect(await ping(client.name, peerAddresses[0]!, whole)).toMatchObject({ received: 3 });
    const more = { df: true, size: mtu - headers + 1, deadline: 0.3 };
    expect(await ping(client.name, peerAddresses[0]!, more)).toMatchObject({ received: 0 });
  }

  it.each([
    // Where the endpoint is, its own MTU, the client's wish, the underlay's; what it is.
    ['on one node, where nobody asks', 0, 0, '', 1500, 1500],
    ['on one node, as the endpoint answers', 0, 9000, '', 1500, 9000],
    ['on one node, as the client asks', 0, 0, '9000', 1500, 9000],
    ['on one node, the largest', 0, 100_000, '', 1500, 65_535],
    ['on one node, the smaller of two wishes', 0, 9000, '4000', 1500, 4000],
    ['over a tunnel, above what fits', 1, 9000, '9000', 1500, 1450],
    ['over a tunnel on an underlay of 9000', 1, 9000, '', 9000, 8950],
    ['over a tunnel, as the client asks', 1, 0, '1400', 9000, 1400],
  ] as const)('is what its way allows: %s', async (_, where, answered, asked, underlay, mtu) => {
    const { mesh } = shared;
    setUnderlay(mesh, underlay);
    await mesh.serve(where, 'ping', 'endpoint', { clientParameters: { mtu: answered } });
    const { admissionError, connectionParameters } = await request(mesh, asked === '' ? {} : { mtu: asked });
    expect(admissionError).toBe('');
    expect(connectionParameters).toMatchObject({ mtu });
    await expectExactly(mesh, mtu);
    expect(mesh.asked.at(-1)).toMatchObject({
      maxMtu:
        asked === ''
          ? where === 0
            ? 65_535
            : underlay - 50
          : Math.min(Number(asked), where === 0 ? 65_535 : underlay - 50),
    });
  });

  it('that is none is refused before anything is touched', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'ping', 'endpoint');
    const { admissionError } = await request(mesh, { mtu: '65536' });
    expect(admissionError).toContain('it must be 68 to 65535 bytes (NSM0101)');
  });

  it.each([
    ...changes.map((change) => ['lost', ...change] as const),
    // Make before break goes the same way.
    ...changes.slice(0, 2).map((change) => ['withdrawn', ...change] as const),
  ])(
    'when its endpoint is %s and another takes the client, %s',
    async (how, _, from, to, named, told, then) => {
      const { mesh } = shared;
      await mesh.serve(from, 'ping', 'first', { clientParameters: { mtu: named[0] } });
      const { connectionParameters } = await request(mesh);
      expect(connectionParameters).toMatchObject({ mtu: told });
      await expectExactly(mesh, told);
      await mesh.serve(to, 'ping', 'second', { clientParameters: { mtu: named[1] } });
      // The new one must be known before the old one is lost.
      await waitFor(async () => (await mesh.operator(0).listEndpoints({})).endpoints.length === 2);
      // Lost, its connection is healed; withdrawn, it is moved, make before break.
      if (how === 'lost') await mesh.killEndpoint('first');
      else await mesh.withdraw(from, 'ping', 'first');
      await waitFor(async () => {
        const { connections } = await mesh.operator(0).listConnections({});
        return connections.every(
          ({ nseProviderName, state }) => nseProviderName === 'second' && state === 'UP',
        );
      });
      await expectExactly(mesh, then);
    },
  );
});
