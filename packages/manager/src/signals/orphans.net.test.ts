// A half that was made for a manager that cannot be asked: it stays while its client is there, however silent the manager is, and no longer.
import { join } from 'node:path';
import { TunnelType } from '@nsm/api';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { sharedMesh, type TestMesh } from '../manager.test.mesh.js';
import { linked } from '../manager.test.underlay.js';

const orphanedMs = 1500;

/** A manager `outside`, which is on node a and in no registry, asks the manager of node b. */
async function requestHalf(mesh: TestMesh, requestId: string, more: object): Promise<void> {
  const request = { requestId, networkServiceName: 'ping', nseProviderName: 'pod', ...more };
  const folders = { pkiDir: join(mesh.folder, 'pki'), stateDir: join(mesh.folder, 'outside') };
  const script = `
    import { Channel, proxy } from ${JSON.stringify(import.meta.resolve('@nsm/api'))};
    import { openCredentials } from ${JSON.stringify(import.meta.resolve('@nsm/pki'))};
    const logger = { info() {}, warn() {}, error() {} };
    const own = { kind: 'manager', name: 'outside' };
    const credentials = await openCredentials(${JSON.stringify(folders)}, own, logger);
    const channel = new Channel('10.9.0.2:5001', { credentials, expected: { kind: 'manager', name: 'node-b' } });
    const request = ${JSON.stringify({ ...request, tunnelType: [{ type: TunnelType.VXLAN }] })};
    const reply = await channel.client(proxy.ProxyConnection).requestProxyConnection(request);
    if (!reply.accepted) throw new Error(reply.admissionError);
    process.exit();
  `;
  await run(mesh.pod('node-a').name, process.execPath, ['--input-type=module', '--eval', script]);
}

const halves = async (mesh: TestMesh): Promise<string[]> =>
  (await mesh.operator(1).listConnections({})).connections.map(({ requestId }) => requestId);

/** The client of the half, by the tools of any Linux: node a is its pod as well. */
async function joinByHand(mesh: TestMesh): Promise<() => void> {
  const { tunnels } = await mesh.operator(1).listTunnels({});
  const [device] = mesh
    .pod('pod')
    .route.links()
    .filter(({ name }) => name !== 'lo');
  const [there] = mesh
    .pod('pod')
    .route.addresses()
    .filter(({ index, family }) => index === device?.index && family === 'ipv4');
  const mine = there!.address.replace(/(\d+)\/.*$/, (_, last) => `${Number(last) ^ 1}/31`);
  const { route } = mesh.pod('node-a');
  const ends = { local: '10.9.0.1', remote: '10.9.0.2', port: 4789 };
  route.addLink({ kind: 'vxlan', name: 'outside', id: tunnels[0]!.tunnel!.identifier, ...ends, up: true });
  const { index } = route.link('outside')!;
  route.addAddress(index, { address: mine });
  return () => route.deleteLink(index);
}

describe.skipIf(!requireRoot('orphans'))('a half for a manager that cannot be asked', () => {
  const shared = sharedMesh(['pod'], linked(), { orphanedMs });

  it.each([
    ['knows only the specification', {}],
    [
      'is in no registry',
      { clientManagerName: 'outside', connectionId: 'outside:01234567-0123456789abcdef' },
    ],
  ])('stays as long as its client answers, where the manager %s', async (_, more) => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'pod');
    await requestHalf(mesh, 'foreign', more);
    const leave = await joinByHand(mesh);
    const until = performance.now() + 3 * orphanedMs;
    await waitFor(() => performance.now() > until);
    expect(await halves(mesh)).toEqual(['foreign']);
    leave();
    await waitFor(async () => (await halves(mesh)).length === 0, { what: 'the end of the half' });
    expect(mesh.reasons).toEqual([expect.stringMatching(/is gone$/)]);
  });
});
