// MEM or VHOST at one side and another type at the other, on one node and over tunnels: testpmd answers pings of a kernel.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstAnswer, ping, type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsmJson, nsmProgram } from '../mesh/nsm-command.js';
import { bare, devicesOf } from '../mesh/pod-network.js';
import { memif, type Parameters, requireTestpmd, Testpmd, vhost } from '../mesh/testpmd.js';
import { thorough } from '../reliability/config.js';

interface Shared extends Connected {
  readonly interface: string;
  readonly interfaceParameters: Parameters;
}

/** Not thoroughly: one of all; that all carry packets, types-matrix.net.test.ts tries. */
const cases = [
  ...(['', 'VXLAN', 'GRE', 'MPLSoEthernet'] as const).map((tunnel) => ['mem', tunnel, memif] as const),
  ...(['', 'VXLAN', 'GRE'] as const).map((tunnel) => ['vhost', tunnel, vhost] as const),
].filter(([type, tunnel]) => thorough || (type === 'vhost' && tunnel === 'GRE'));

const possible = requireRoot('shared memory to kernel') && requireTestpmd('shared memory to kernel');

describe.skipIf(!possible).each(cases)(
  '%s and kernel, tunnel %j',
  { timeout: 120_000 },
  (shared, tunnel, application) => {
    let mesh: Mesh;
    let client: Pod;
    let endpoint: Pod;
    let serving: Running;
    let far: MeshNode;
    let missing: string | undefined;

    beforeAll(async () => {
      const flags = ['--prefix', '10.60.0.0/16', ...(tunnel ? ['--tunnel', tunnel] : [])];
      mesh = await Mesh.start({ flags });
      client = mesh.pod('client');
      endpoint = mesh.pod('endpoint');
      far = tunnel ? mesh.b : mesh.a;
      for (const type of ['kernel', shared])
        serving = await mesh.endpoint(far, {
          pod: endpoint,
          name: type,
          services: [`by-${type}`],
          flags: ['--interface', type],
        });
      await mesh.a.knows('by-kernel/kernel', `by-${shared}/${shared}`);
      if (tunnel) {
        const { capabilities } = await nsmJson<{
          readonly capabilities: readonly { type: string; engine: string; missing: string }[];
        }>('get', 'tunnels', '--run-dir', mesh.a.runDir);
        const byBpf = capabilities.find(({ type, engine }) => type === tunnel && engine === 'eBPF');
        missing = byBpf?.missing || undefined;
      }
    });
    afterAll(async () => await mesh?.stop());

    const connect = (service: string, type: string): Promise<Shared> =>
      nsmJson<Shared>(
        ...['connect', service, '--request-id', type, '--netns', client.name, '--run-dir', mesh.a.runDir],
        ...['--interface', type],
      );
    const toldEndpoint = (id: string): Parameters => {
      const events = serving
        .output()
        .split('\n')
        .filter((line) => line.includes('client-accepted') && line.includes(`"${id}"`));
      return (JSON.parse(events.at(-1) ?? '{}') as { interfaceParameters: Parameters }).interfaceParameters;
    };
    /** Pings of the full MTU come back, once the application is there. */
    const expectEcho = async (from: Pod, to: string, mtu: number): Promise<void> => {
      await firstAnswer(from.name, to, {
        timeout: 20_000,
        what: 'the first echo',
      });
      const options = { count: 200, interval: 0.005, size: mtu - 28, df: true };
      expect(await ping(from.name, to, options)).toMatchObject({ received: 200 });
    };
    const close = async (service: string, id: string): Promise<void> => {
      await (await mesh.agent(client)).close(mesh.a.runDir, id, service);
      for (const node of mesh.nodes)
        await waitFor(() => sharedOf(node).length === 0, { what: 'the folders being removed' });
      expect(await mesh.sweep()).toEqual([]);
    };
    const sharedOf = (node: MeshNode): string[] => {
      try {
        return readdirSync(join(node.runDir, 'shared'));
      } catch {
        return [];
      }
    };

    it('client with shared memory, endpoint KERNEL: packets, counters, restarts, nothing left', async ({
      skip,
    }) => {
      if (missing) skip(missing);
      const connected = await connect('by-kernel', shared);
      expect(connected).toMatchObject({ interface: shared, interfaceName: '' });
      const [device] = await devicesOf(endpoint.name);
      expect(device).toMatchObject({ mtu: connected.mtu, up: true });
      {
        await using crashing = await Testpmd.start(
          client.name,
          application(connected.interfaceParameters),
          'icmpecho',
          {
            mac: connected.mac,
          },
        );
        await expectEcho(endpoint, bare(connected.address), connected.mtu);
        // From the side that has a device; where that is on another node, this node says so.
        const args = [nsmProgram, 'ping', shared, '-c', '1', '--run-dir'];
        expect(await run(far.namespace.name, process.execPath, [...args, far.runDir])).toMatch(
          /endpoint nse\w+ to [\d.]+ [\d.]+ ms \(ICMP\)/,
        );
        if (tunnel)
          await expect(
            run(mesh.a.namespace.name, process.execPath, [...args, mesh.a.runDir]),
          ).rejects.toThrow(/run this on the other node/);
        const [known] = await mesh.a.connections();
        expect(known?.statistics?.sentPackets).toBeGreaterThanOrEqual(200n);
        expect(known?.statistics?.receivedBytes).toBeGreaterThanOrEqual(BigInt(200 * connected.mtu));
        for (const node of new Set([mesh.a, far])) await node.restart('SIGKILL');
        expect((await connect('by-kernel', shared)).interfaceParameters).toEqual(
          connected.interfaceParameters,
        );
        await crashing.kill();
      }
      if (tunnel) {
        const nodeEnd = async (): Promise<string | undefined> =>
          (await devicesOf(mesh.a.namespace.name)).find(({ name }) => name.startsWith('nst'))?.name;
        const name = (await nodeEnd())!;
        mesh.a.namespace.route.deleteLink(name);
        await waitFor(nodeEnd, { what: 'the deleted device being made again' });
      }
      // testpmd does not connect anew by itself.
      await using _again = await Testpmd.start(
        client.name,
        application(connected.interfaceParameters),
        'icmpecho',
        {
          mac: connected.mac,
        },
      );
      await expectEcho(endpoint, bare(connected.address), connected.mtu);
      await close('by-kernel', shared);
    });

    it('client KERNEL, endpoint with shared memory', async ({ skip }) => {
      if (missing) skip(missing);
      const connected = await connect(`by-${shared}`, 'kernel');
      expect(connected).toMatchObject({ interface: 'kernel', interfaceName: 'nsm0' });
      await using _application = await Testpmd.start(
        endpoint.name,
        application(toldEndpoint('kernel')),
        'icmpecho',
      );
      await expectEcho(client, bare(connected.peerAddresses[0]!), connected.mtu);
      const [known] = await mesh.a.connections();
      expect(known?.statistics?.receivedPackets).toBeGreaterThanOrEqual(200n);
      // testpmd as vhost-user server waits for its client to come back; as memif server it may end by SIGSEGV.
      if (shared === 'vhost') {
        for (const node of new Set([mesh.a, far])) await node.restart('SIGKILL');
        await expectEcho(client, bare(connected.peerAddresses[0]!), connected.mtu);
      }
      await close(`by-${shared}`, 'kernel');
    });

    it('changes from the one to the other and back when it is asked for so', async ({ skip }) => {
      if (missing) skip(missing);
      const ask = (type: string): Promise<Shared> =>
        nsmJson<Shared>(
          ...['connect', 'by-kernel', '--request-id', 'changing', '--netns', client.name],
          ...['--run-dir', mesh.a.runDir, '--interface', type],
        );
      expect(await ask(shared)).toMatchObject({ interface: shared, interfaceName: '' });
      const asKernel = await ask('kernel');
      expect(asKernel).toMatchObject({ interface: 'kernel', interfaceName: 'nsm0' });
      expect((await ping(client.name, asKernel.peerAddresses[0]!)).received).toBe(1);
      const asShared = await ask(shared);
      expect(asShared).toMatchObject({ interface: shared, interfaceName: '' });
      {
        await using _application = await Testpmd.start(
          client.name,
          application(asShared.interfaceParameters),
          'icmpecho',
        );
        await expectEcho(endpoint, bare(asShared.address), asShared.mtu);
      }
      await close('by-kernel', 'changing');
    });

    it('leaves nothing behind', async () => {
      expect(await mesh.finish()).toEqual([]);
    });
  },
);

const pairs = [
  ['mem', 'mem', memif, memif],
  ['vhost', 'mem', vhost, memif],
] as const;

// Not thoroughly, types-matrix.net.test.ts has one of them, and shared-memory.net.test.ts DPDK's memif.
describe.skipIf(!possible).each(thorough ? pairs : [])(
  '%s to %s over GRE',
  { timeout: 120_000 },
  (near, far, here, there) => {
    it('carries what one testpmd sends to the other', async () => {
      await using mesh = await Mesh.start({ flags: ['--prefix', '10.60.0.0/16', '--tunnel', 'GRE'] });
      const [client, endpoint] = [mesh.pod('client'), mesh.pod('endpoint')];
      const serving = await mesh.endpoint(mesh.b, {
        pod: endpoint,
        name: 'switch',
        services: ['fast'],
        flags: ['--interface', far],
      });
      await mesh.a.knows('fast/switch');
      const connected = await nsmJson<Shared>(
        ...['connect', 'fast', '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir],
        ...['--interface', near],
      );
      const accepted =
        serving
          .output()
          .split('\n')
          .find((line) => line.includes('client-accepted')) ?? '';
      const { interfaceParameters } = JSON.parse(accepted) as { interfaceParameters: Parameters };
      {
        await using receiver = await Testpmd.start(endpoint.name, there(interfaceParameters), 'rxonly');
        await using _sender = await Testpmd.start(client.name, here(connected.interfaceParameters), 'txonly');
        await receiver.receives(1000);
      }
      await (await mesh.agent(client)).close(mesh.a.runDir, 'one', 'fast');
      expect(await mesh.finish()).toEqual([]);
    });
  },
);
