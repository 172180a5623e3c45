// The shipped units of systemd: forwarder, manager and registry run with exactly their users, capabilities and system calls, and with
// one capability less something fails.
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Application, startMemif, startVhost } from '../mesh/applications.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson, spawnNsm } from '../mesh/nsm-command.js';
import { passes } from '../mesh/pod-network.js';
import { missingTestpmd, type Parameters } from '../mesh/testpmd.js';
import { SystemdUnit } from './systemd-unit.js';

/** Of which each has a group of the same number; the forwarder is in the manager's group, too. */
const [managerUser, forwarderUser] = [61_010, 61_011];
const types = ['kernel', 'mem', 'vhost'] as const;
type Type = (typeof types)[number];
const places = ['here', 'there'] as const;
const units = {
  forwarder: new SystemdUnit('nsm-forwarder'),
  manager: new SystemdUnit('nsm-manager'),
  registry: new SystemdUnit('nsm-registry'),
};
if (!units.manager.filter)
  process.stderr.write('system calls are not tried: there is no systemd-analyze to tell what its sets are\n');

interface Attached extends Connected {
  readonly interfaceParameters: Parameters;
}

/** A mesh whose daemons are run as the units say, but for capabilities that its forwarders have not. */
class UnitMesh {
  readonly mesh: Mesh;
  readonly forwarders: Running[] = [];
  client!: Pod;
  readonly #without: string | undefined;

  constructor(without?: string) {
    this.#without = without;
    this.mesh = new Mesh({
      before: units.manager.before(managerUser),
      flags: ['--forwarder', 'external'],
      // As below the state folder of a machine: here both nodes are this machine.
      flagsOf: ({ dir }) => ['--pki-dir', join(dirname(dir), 'pki')],
    });
  }

  /** As systemd makes StateDirectory, and the folder of nsm.tmpfiles.conf. */
  async start(): Promise<void> {
    const { mesh } = this;
    chmodSync(mesh.dir, 0o755);
    await mesh.joinNodes();
    const pki = join(mesh.dir, 'pki');
    mkdirSync(pki, { mode: 0o700 });
    chownSync(pki, managerUser, managerUser);
    for (const node of mesh.nodes) {
      chmodSync(node.dir, 0o755);
      for (const [folder, user, group, mode] of [
        [node.runDir, forwarderUser, managerUser, 0o1775],
        [node.stateDir, managerUser, managerUser, 0o700],
        [join(node.dir, 'forwarder'), forwarderUser, forwarderUser, 0o700],
      ] as const) {
        mkdirSync(folder);
        chownSync(folder, user, group);
        chmodSync(folder, mode);
      }
      this.forwarders.push(await this.startForwarder(node));
      await node.start();
    }
    this.client = mesh.pod('client');
    const pods = places.map((place) => mesh.pod(place));
    await Promise.all(
      places.map((place, index) =>
        mesh.endpoint(index === 0 ? mesh.a : mesh.b, {
          pod: pods[index] as Pod,
          name: place,
          services: [place],
        }),
      ),
    );
    await mesh.a.knows('here/here', 'there/there');
  }

  startForwarder(node: MeshNode): Promise<Running> {
    const { capabilities } = units.forwarder;
    const flags = [
      '--run-dir',
      node.runDir,
      '--state-dir',
      join(node.dir, 'forwarder'),
      '--group',
      String(managerUser),
    ];
    return spawnNsm(node.namespace.name, '"msg":"ready"', ['forwarder', ...flags], {
      before: units.forwarder.before(
        forwarderUser,
        [managerUser],
        capabilities.filter((name) => name !== this.#without),
      ),
    });
  }

  key(type: Type, place: string): readonly string[] {
    return [
      place,
      '--request-id',
      `${type}-${place}`,
      '--netns',
      this.client.name,
      '--run-dir',
      this.mesh.a.runDir,
    ];
  }

  connect(type: Type, place: string): Promise<Attached> {
    // The applications here send from addresses of their own.
    const wish = type === 'kernel' ? type : `${type}?source_check=off`;
    return nsmJson('connect', ...this.key(type, place), '--interface', wish, '--timeout', '5s');
  }

  /** Connects the client elsewhere, and follows a packet there. */
  async look(): Promise<void> {
    const { id } = await this.connect('kernel', 'there');
    expect(await nsm('trace', id, '--run-dir', this.mesh.a.runDir)).toMatchObject({ status: 0 });
  }

  async disconnect(type: Type, place: string): Promise<void> {
    expect((await nsm('disconnect', ...this.key(type, place))).status).toBe(0);
  }

  async stop(): Promise<void> {
    for (const forwarder of this.forwarders) await forwarder.stop();
    await this.mesh.stop();
  }
}

/** What a pod's application does with what it was given; undefined where nothing here speaks it. */
async function application(pod: Pod, type: Type, attached: Attached): Promise<Application | undefined> {
  const { interfaceParameters: parameters, addresses, mtu } = attached;
  if (type === 'mem') return await startMemif(pod, { parameters, addresses, mtu });
  if (type === 'vhost' && !missingTestpmd()) return await startVhost(pod, { parameters, addresses, mtu });
  return undefined;
}

describe.skipIf(!requireRoot('systemd units'))('the units of systemd', { timeout: 60_000 }, () => {
  const unitMesh = new UnitMesh();
  const { mesh } = unitMesh;
  beforeAll(() => unitMesh.start());
  afterAll(() => unitMesh.stop());

  const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (pid: number, name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(statusOf(pid))?.[1] ?? '';

  it('give the manager no privilege, and the forwarder only what its unit says', () => {
    const [forwarder] = unitMesh.forwarders as [Running];
    for (const [pid, user, count] of [
      [mesh.a.manager.pid, managerUser, 0],
      [forwarder.pid, forwarderUser, units.forwarder.capabilities.length],
    ] as const) {
      expect(field(pid, 'Uid')).toBe(String(user));
      expect(field(pid, 'NoNewPrivs')).toBe('1');
      if (units.manager.filter) expect(field(pid, 'Seccomp')).toBe('2');
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(
          BigInt(`0x${field(pid, set)}`)
            .toString(2)
            .replaceAll('0', ''),
        ).toHaveLength(count);
    }
  });

  it('leave files to their user alone, and sockets as documented', () => {
    for (const [folder, user] of [
      [mesh.a.stateDir, managerUser],
      [join(mesh.a.dir, 'forwarder'), forwarderUser],
    ] as const)
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const { uid, mode } = statSync(join(folder, name));
        expect([name, uid, mode & 0o077]).toEqual([name, user, 0]);
      }
    const modes = Object.fromEntries(
      ['client.sock', 'endpoint.sock', 'admin.sock', 'forwarder.sock', '.'].map((name) => [
        name,
        (statSync(join(mesh.a.runDir, name)).mode & 0o7777).toString(8),
      ]),
    );
    expect(modes).toEqual({
      'client.sock': '666',
      'endpoint.sock': '666',
      'admin.sock': '600',
      'forwarder.sock': '660',
      '.': '1775',
    });
  });

  it.each(places.flatMap((place) => types.map((type) => [type, place] as const)))(
    'connect %s to an endpoint %s',
    async (type, place) => {
      const attached = await unitMesh.connect(type, place);
      const running = await application(unitMesh.client, type, attached);
      try {
        await running?.connected();
        if (type === 'kernel' || running)
          for (const address of attached.peerAddresses)
            await waitFor(() => passes(unitMesh.client.name, address, attached.mtu), { timeout: 10_000 });
      } finally {
        await running?.[Symbol.asyncDispose]();
      }
      await unitMesh.disconnect(type, place);
      expect(await mesh.sweep()).toEqual([]);
    },
  );

  it('look at packets', async () => {
    await unitMesh.look();
    await unitMesh.disconnect('kernel', 'there');
    expect(await mesh.sweep()).toEqual([]);
  });

  it('heal after a restart of both', async () => {
    const kept = await Promise.all(places.map((place) => unitMesh.connect('kernel', place)));
    await unitMesh.forwarders[0]?.stop();
    await mesh.a.end('SIGKILL');
    await run(undefined, 'ip', ['-n', unitMesh.client.name, 'link', 'delete', kept[0]?.interfaceName ?? '']);
    unitMesh.forwarders[0] = await unitMesh.startForwarder(mesh.a);
    await mesh.a.start();
    for (const { peerAddresses, mtu } of kept)
      for (const address of peerAddresses)
        await waitFor(() => passes(unitMesh.client.name, address, mtu), { timeout: 20_000 });
    for (const place of places) await unitMesh.disconnect('kernel', place);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('run a registry by itself', async () => {
    const folder = join(mesh.dir, 'registry');
    mkdirSync(folder);
    chownSync(folder, managerUser, managerUser);
    const flags = ['--listen', '127.0.0.1:5099', '--state-dir', folder];
    await using _registry = await spawnNsm(mesh.a.namespace.name, '"msg":"ready"', ['registry', ...flags], {
      before: units.registry.before(managerUser),
    });
  });
});

describe.skipIf(process.env.SECURITY !== 'thorough' || !requireRoot('systemd units'))(
  'the capabilities of the forwarder are the least',
  { timeout: 120_000 },
  () => {
    it.each(units.forwarder.capabilities)('without %s something fails', async (name) => {
      const unitMesh = new UnitMesh(name);
      const attempt = async (): Promise<void> => {
        await unitMesh.start();
        for (const place of places)
          for (const type of types) {
            await unitMesh.connect(type, place);
            await unitMesh.disconnect(type, place);
          }
        await unitMesh.look();
        // Changes in pods are heard of at once.
        const { interfaceName } = await unitMesh.connect('kernel', 'here');
        await run(undefined, 'ip', ['-n', unitMesh.client.name, 'link', 'delete', interfaceName]);
        await waitFor(
          async () =>
            (await run(undefined, 'ip', ['-n', unitMesh.client.name, '-o', 'link'])).includes(interfaceName),
          { timeout: 3_000 },
        );
      };
      await expect(attempt().finally(() => unitMesh.stop())).rejects.toThrow();
    });

    it('with all of them nothing does', async () => {
      const unitMesh = new UnitMesh();
      try {
        await unitMesh.start();
        const { interfaceName } = await unitMesh.connect('kernel', 'here');
        await run(undefined, 'ip', ['-n', unitMesh.client.name, 'link', 'delete', interfaceName]);
        await waitFor(
          async () =>
            (await run(undefined, 'ip', ['-n', unitMesh.client.name, '-o', 'link'])).includes(interfaceName),
          { timeout: 3_000 },
        );
      } finally {
        await unitMesh.stop();
      }
    });
  },
);
