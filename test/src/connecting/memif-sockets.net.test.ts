// The sockets of a MEM connection, and their folders, in the hands of somebody who removes them: asked again, the manager
// makes them anew, and the pod's application connects as before. The application is our own memif.
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { firstAnswer, type Running, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMemif } from '../mesh/applications.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import type { Parameters } from '../mesh/testpmd.js';

interface Attached extends Connected {
  readonly interfaceParameters: Parameters;
}

describe.skipIf(!requireRoot('memif sockets'))('the sockets of a memif', () => {
  let mesh: Mesh;
  let client: Pod;
  let endpoint: Pod;
  let serving: Running;

  beforeAll(async () => {
    mesh = await Mesh.startFirst({ flags: ['--prefix', '10.60.0.0/16'] });
    [client, endpoint] = [mesh.pod('client'), mesh.pod('endpoint')];
    for (const type of ['kernel', 'mem'])
      serving = await mesh.endpoint(mesh.a, {
        pod: endpoint,
        name: type,
        services: [`by-${type}`],
        flags: ['--interface', type],
      });
  });
  afterAll(async () => await mesh?.stop());

  const connect = (service: string, type: string): Promise<Attached> =>
    nsmJson<Attached>(
      ...['connect', service, '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir],
      ...['--interface', type],
    );
  const disconnect = async (service: string): Promise<void> => {
    await nsm(
      ...['disconnect', service, '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir],
    );
    expect(await mesh.sweep()).toEqual([]);
  };
  /** Fails unless an application can connect, and carries packets. */
  const expectPackets = async (
    pod: Pod,
    parameters: Parameters,
    { address, mtu }: { readonly address: string; readonly mtu: number },
    to: string,
  ): Promise<void> => {
    await using application = await startMemif(pod, { parameters, addresses: [address], mtu });
    await application.connected();
    // The kernel lets packets out a while after the device has its carrier.
    await firstAnswer(pod.name, to, {
      what: 'an answer',
    });
  };

  it.each([
    ['its link to the socket', (socket: string) => rmSync(socket)],
    [
      'the folder of the connection',
      (socket: string) => rmSync(dirname(dirname(socket)), { recursive: true }),
    ],
  ])('of a client: %s is made again', async (_what, remove) => {
    const connected = await connect('by-kernel', 'mem');
    const { interfaceParameters: told, peerAddresses } = connected;
    const go = () => expectPackets(client, told, connected, peerAddresses[0]!);
    await go();
    remove(told.socket!);
    expect(existsSync(told.socket!)).toBe(false);
    expect((await connect('by-kernel', 'mem')).interfaceParameters).toEqual(told);
    await go();
    await disconnect('by-kernel');
  });

  it('of an endpoint: the folder of the connection is made again', async () => {
    const connected = await connect('by-mem', 'kernel');
    const events = serving.output().split('\n');
    const accepted = events.filter((line) => line.includes('client-accepted')).at(-1) ?? '{}';
    const { interfaceParameters: told } = JSON.parse(accepted) as { interfaceParameters: Parameters };
    const [peer = ''] = connected.peerAddresses;
    const [own = ''] = connected.address.split('/');
    const go = () => expectPackets(endpoint, told, { ...connected, address: `${peer}/31` }, own);
    await go();
    rmSync(dirname(dirname(told.socket!)), { recursive: true });
    await connect('by-mem', 'kernel');
    await go();
    await disconnect('by-mem');
  });

  it('an application with a wrong secret gets nothing, and does not disturb the right one', async () => {
    const connected = await connect('by-kernel', 'mem');
    const { interfaceParameters: told, peerAddresses, address, mtu } = connected;
    {
      const wrong = { ...told, secret: 'guess' };
      await using stranger = await startMemif(client, { parameters: wrong, addresses: [], mtu });
      await expectPackets(client, told, { address, mtu }, peerAddresses[0]!);
      // It has had as long as the right one, which came later.
      await expect(stranger.connected(500)).rejects.toThrow(/the memif’s peer/);
    }
    await disconnect('by-kernel');
    expect(await mesh.finish()).toEqual([]);
  });
});
