// Tunnels that a node cannot make, for want of libbpf or of a common link: the rest is served, and refusals say what is missing.
import { requireRoot, run } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';

/** Runs a command where the library is an empty file; later mounts, such as namespaces' names, are seen. */
const withoutLibbpf = (library: string): string[] => [
  ...['unshare', '--mount', '--propagation', 'slave'],
  ...['sh', '-c', `mount --bind /dev/null ${library} && exec "$@"`, 'sh'],
];
const reason = 'libbpf\\.so\\.1.*install Debian package libbpf1';

describe.skipIf(!requireRoot('without eBPF'))('a node without libbpf', () => {
  let mesh: Mesh;
  let client: Pod;
  let far: Pod;

  beforeAll(async () => {
    const paths = await run(undefined, 'sh', ['-c', "ldconfig -p | sed -n 's/.*libbpf.so.1 .*=> //p'"]);
    const [library = ''] = paths.split('\n');
    const kinds = ['--tunnel', 'gre=GRE', '--tunnel', 'any=GRE,any=VXLAN'];
    mesh = await Mesh.start({
      flags: ['--prefix', '10.60.0.0/16'],
      flagsOf: ({ dir }) => (dir.endsWith('node-a') ? kinds : []),
      ...(library ? { before: withoutLibbpf(library) } : {}),
    });
    client = mesh.pod('client');
    far = mesh.pod('far');
    await mesh.endpoint(mesh.b, {
      pod: far,
      name: 'far',
      services: ['gre', 'any'],
      flags: ['--interface', 'kernel,mem'],
    });
    await mesh.a.knows('gre/far', 'any/far');
  });
  afterAll(async () => await mesh?.stop());

  const asking = (node: MeshNode, service: string, ...interfaces: string[]): string[] => [
    ...['connect', service, '--request-id', 'one', '--netns', client.name, '--run-dir', node.runDir],
    ...['--interface', interfaces.join(',')],
  ];

  it('says which engine serves what, and what the others need', async () => {
    const { stdout: tunnels } = await nsm('get', 'tunnels', '--run-dir', mesh.a.runDir);
    const { stdout: manager } = await nsm('describe', 'manager', '--run-dir', mesh.a.runDir);
    const lacking = ['VXLAN', 'VXLAN_GRE', 'GRE', 'MPLSoUDP', 'MPLSoGRE', 'MPLSoEthernet'];
    for (const [output, before] of [
      [tunnels, '^'],
      [manager, '^tunnel +'],
    ] as const) {
      expect(output).toMatch(new RegExp(`${before}VXLAN +yes +kernel vxlan device$`, 'm'));
      for (const kind of lacking)
        expect(output).toMatch(new RegExp(`${before}${kind} +no +.*${reason}`, 'm'));
    }
  });

  it('serves VXLAN, for KERNEL where MEM comes first', async () => {
    const connected = await nsmJson<Connected & { tunnel: unknown }>(
      ...asking(mesh.a, 'any', 'mem:first', 'kernel:second'),
    );
    expect(connected).toMatchObject({ interface: 'kernel', tunnel: { type: 'VXLAN' }, mtu: 1450 });
    await expectTraffic(client, far, connected);
    await nsm('disconnect', 'any', '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir);
  });

  it('refuses the rest with the reason', async () => {
    const gre = await nsm(...asking(mesh.a, 'gre', 'kernel'));
    expect(gre.stderr).toMatch(
      new RegExp(`^nsm: no tunnel of this node leads to manager "node-b": GRE: .*${reason} \\(NSM0302\\)`),
    );
    const mem = await nsm(...asking(mesh.a, 'any', 'mem'));
    expect(mem.stderr).toMatch(
      new RegExp(`this node can join kernel to another node; mem over a tunnel: .*${reason}`),
    );
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});

describe.skipIf(!requireRoot('tunnels and routers'))('a node behind a router', () => {
  it('is not offered what needs a common link, and the refusal says so', async () => {
    await using mesh = new Mesh({ flags: ['--prefix', '10.60.0.0/16', '--tunnel', 'link=MPLSoEthernet'] });
    await mesh.joinNodes();
    // From now on each reaches the other by way of a third address: a router, as far as it can tell.
    for (const [node, other] of [mesh.nodes, mesh.nodes.toReversed()] as [MeshNode, MeshNode][]) {
      const { name } = node.namespace;
      await run(name, 'ip', ['address', 'add', `10.99.0.${node === mesh.a ? 1 : 2}/24`, 'dev', 'underlay']);
      const gateway = `10.99.0.${node === mesh.a ? 2 : 1}`;
      await run(name, 'ip', ['route', 'add', `${other.address}/32`, 'via', gateway, 'dev', 'underlay']);
    }
    await mesh.startManagers();
    const [client, far] = [mesh.pod('client'), mesh.pod('far')];
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['link', 'any'] });
    await mesh.a.knows('link/far', 'any/far');
    const ask = (service: string) =>
      nsm('connect', service, '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir);
    expect((await ask('link')).stderr.trim()).toMatch(
      /^nsm: no tunnel of this node leads to manager "node-b": MPLSoEthernet: (the other node is behind router 10\.99\.0\.2|.*eBPF.*) \(NSM0302\)$/,
    );
    expect(await ask('any')).toMatchObject({ status: 0 });
    for (const node of mesh.nodes) await node.closeAll();
    expect(await mesh.finish()).toEqual([]);
  });
});
