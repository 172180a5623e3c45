// `nsm dashboard` on one node of a mesh: it finds the managers of all others and asks them as an operator.
import type { Snapshot } from '@nsm/dashboard';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';

describe.skipIf(!requireRoot('dashboard'))('nsm dashboard', () => {
  let mesh: Mesh;
  let [client, there]: Pod[] = [];
  let connected: Connected;

  beforeAll(async () => {
    mesh = await Mesh.start({ switched: { nodes: 3 } });
    [client, there] = ['client', 'there'].map((label) => mesh.pod(label));
    await mesh.endpoint(mesh.b, { pod: there!, name: 'there', services: ['far'] });
    await mesh.a.knows('far/there');
    const flags = ['--request-id', 'one', '--netns', client!.name, '--run-dir', mesh.a.runDir];
    connected = await nsmJson<Connected>('connect', 'far', ...flags);
  });
  afterAll(async () => await mesh?.stop());

  /** What the page would get, asked for in the node that it is served on. */
  const snapshot = async (port: number): Promise<Snapshot> => {
    const ask = `fetch('http://127.0.0.1:${port}/api/mesh').then(async (r) => console.log(await r.text()))`;
    return JSON.parse(await run(mesh.a.namespace.name, process.execPath, ['-e', ask])) as Snapshot;
  };
  const dashboardOnA = async (port: number, ...flags: string[]): Promise<void> => {
    const args = ['dashboard', '--listen', `127.0.0.1:${port}`, ...flags];
    await mesh.spawn(mesh.a.namespace.name, 'the mesh is shown at', args);
  };

  it('sees the whole mesh from the node that has its authority', async () => {
    await dashboardOnA(7072, '--run-dir', mesh.a.runDir);
    await waitFor(
      async () => {
        const { things } = await snapshot(7072);
        const seen = things.filter((thing) => thing.kind === 'node' && thing.unseen === '').length;
        return seen === 3;
      },
      { what: 'all three managers answering' },
    );
    const { things } = await snapshot(7072);
    const connections = things.filter((thing) => thing.kind === 'connection');
    expect(connections).toMatchObject([
      {
        id: connected.id,
        state: 'SYNCED',
        client: { node: 'node-a', addresses: [connected.address] },
        endpoint: { node: 'node-b', name: 'there', interfaceName: expect.stringMatching(/^nse/) },
        halves: [{ node: 'node-a' }, { node: 'node-b' }],
      },
    ]);
  });

  it('says what it needs to see the others where it has no certificate', async () => {
    await dashboardOnA(7073, '--run-dir', mesh.a.runDir, '--pki-dir', mesh.dir);
    const { things } = await snapshot(7073);
    expect(things.filter((thing) => thing.kind === 'node')).toMatchObject([
      { id: 'node-a', unseen: '' },
      { id: 'node-b', unseen: expect.stringContaining('nsm pki issue NAME --operator') },
      { id: 'node-c', unseen: expect.stringContaining('nsm pki issue NAME --operator') },
    ]);
    expect(things.filter((thing) => thing.kind === 'connection')).toMatchObject([
      { client: { node: 'node-a' }, endpoint: { node: 'node-b' }, halves: [{ node: 'node-a' }] },
    ]);
  });

  it('needs no manager of its own machine, and is not taken in by another than the one that is named', async () => {
    await dashboardOnA(7075, '--manager', `node-b@${mesh.b.tcp}`, '--manager', `node-x@${mesh.a.tcp}`);
    const { things, troubles } = await snapshot(7075);
    expect(things.filter((thing) => thing.kind === 'node' && thing.id === 'node-b')).toMatchObject([
      { unseen: '' },
    ]);
    expect(troubles).toEqual([expect.stringMatching(/node-a, and not manager node-x/)]);
  });

  it('gives the packets of a connection to whoever has the token, from both nodes', async () => {
    const token = 'a-token-of-the-tests';
    await dashboardOnA(7076, '--run-dir', mesh.a.runDir, '--token', token);
    const script = `fetch('http://127.0.0.1:7076/api/capture?seconds=1&id=${connected.id}', {
      headers: { authorization: 'Bearer ${token}' },
    }).then(async (r) => console.log(Buffer.from(await r.arrayBuffer()).toString('base64')))`;
    const file = Buffer.from(await run(mesh.a.namespace.name, process.execPath, ['-e', script]), 'base64');
    // Section header block of pcapng, and names of devices on both nodes.
    expect(file.readUInt32LE(0)).toBe(0x0a0d0d0a);
    for (const point of ['client node-a', 'underlay node-a', 'endpoint node-b'])
      expect(file.includes(point)).toBe(true);
  });

  it('makes a token for another address than a loopback one, and for changes', async () => {
    await using outward = await mesh.spawn(mesh.a.namespace.name, 'the mesh is shown at', [
      ...['dashboard', '--listen', '0.0.0.0:7074', '--run-dir', mesh.a.runDir],
    ]);
    expect(outward.output()).toMatch(/:7074\/#token=[\w-]{24}\n/);
    const busy = await nsm('dashboard', '--listen', '127.0.0.1:1', '--token', 'short');
    expect(busy).toMatchObject({ status: 2, stderr: expect.stringContaining('16 or more') });
  });

  it('leaves nothing', async () => {
    await nsmJson(
      'disconnect',
      'far',
      '--request-id',
      'one',
      '--netns',
      client!.name,
      '--run-dir',
      mesh.a.runDir,
    );
    expect(await mesh.finish()).toEqual([]);
  });
});
