// Two managers over an etcd, which goes away, and comes back without what was in it.
import { requireEtcd, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flow } from '../mesh/flow.js';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';

describe.skipIf(!requireRoot('etcd mesh') || !requireEtcd('etcd mesh'))('two managers over one etcd', () => {
  let stage: HereAndThere;
  beforeAll(async () => {
    stage = await hereAndThere((place) => [`early-${place}`, `late-${place}`], {
      switched: { nodes: 2, etcd: true },
    });
  });
  afterAll(async () => {
    await stage?.mesh.stop();
  });

  it('connect without it, from what they know, and write everything again when it is back', async () => {
    const { mesh, connect } = stage;
    const etcd = mesh.etcd!;
    const early = await connect('early-there', 'early');
    const pings = await flow(stage.client, early.peerAddresses[0]!.split('/')[0]!);
    await etcd.kill();
    for (const node of mesh.nodes) await node.hearsRegistry(false);

    const late = await connect('late-there', 'late');
    expect(late.endpointManager).toBe('node-b');
    const pod = mesh.pod('new');
    await mesh.endpoint(mesh.b, { pod, name: 'new', services: ['new'] });
    await stage.disconnect('late-there', 'late');

    etcd.loseStore();
    await etcd.start();
    for (const node of mesh.nodes) await node.hearsRegistry(true);
    await mesh.a.knows('new/new', 'early-here/here', 'late-there/there');
    await mesh.a.knowsManagers(['node-a', 'node-b']);
    const keys = await etcd.ctl('get', '--prefix', '/nsm/', '--keys-only');
    const services = ['early-here', 'early-there', 'late-here', 'late-there', 'new'];
    expect(keys.split('\n').filter((key) => key.startsWith('/nsm/endpoint/'))).toHaveLength(services.length);
    expect((await connect('new', 'new')).endpoint).toBe('new');

    const { sent, received } = await pings.end();
    expect(sent).toBeGreaterThan(20);
    expect(received).toBe(sent);
    for (const [service, id] of [
      ['early-there', 'early'],
      ['new', 'new'],
    ] as const)
      await stage.disconnect(service, id);
    expect(await mesh.finish(/registry|etcd/)).toEqual([]);
  }, 60_000);
});
