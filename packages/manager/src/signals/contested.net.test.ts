// Something else in a pod that keeps undoing what a connection is: it is mended less and less often, and operators are told.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RouteMonitor } from '@nsm/netlink';
import { firstAnswer, leaks, requireRoot, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kernel, TestMesh } from '../manager.test.mesh.js';
import { mendPauses } from '../manager.test.start.js';
import { linked } from '../manager.test.underlay.js';

type Undo = (pod: TestNamespace, name: string, address: string) => void;

const indexOf = ({ route }: TestNamespace, name: string): number => route.link(name)!.index;

const takeAddress: Undo = (pod, name, address) => pod.route.deleteAddress(indexOf(pod, name), { address });

const cases: readonly [what: string, where: 0 | 1, told: string, undo: Undo][] = [
  ['its address, on one node', 0, 'address', takeAddress],
  ['its address, over a tunnel', 1, 'address', takeAddress],
  [
    'its route',
    0,
    'route 192.168.0.0/16',
    (pod, name) => pod.route.deleteRoute({ destination: '192.168.0.0/16', device: indexOf(pod, name) }),
  ],
  ['its MTU', 0, 'MTU', (pod, name) => pod.route.setLink(name, { mtu: 1300 })],
  ['that it is up', 0, 'state "up"', (pod, name) => pod.route.setLink(name, { up: false })],
];
const pods = cases.flatMap((_, n) => [`client-${n}`, `endpoint-${n}`]);

describe.skipIf(!requireRoot('mending'))(
  'a connection that something else undoes',
  { timeout: 90_000 },
  () => {
    let mesh: TestMesh;
    beforeAll(async () => {
      mesh = await TestMesh.start(pods, linked(), { mendPauses });
    });
    afterAll(async () => {
      await mesh[Symbol.asyncDispose]();
      expect(leaks()).toEqual([]);
    });

    // Each spends its time waiting.
    it.concurrent.each(cases.map((one, n) => [...one, n] as const))(
      'is STALE: %s',
      async (_, where, what, undo, n) => {
        const service = `ping-${n}`;
        await mesh.serve(where, service, `endpoint-${n}`, {
          clientParameters: { route: ['192.168.0.0/16'] },
        });
        const client = mesh.pod(`client-${n}`);
        const { connectionParameters } = await mesh.client(0).requestConnection({
          requestId: service,
          networkServiceName: service,
          linuxNamespace: client.name,
          interface: [kernel],
        });
        const { address, interfaceName, peerAddresses, connectionId } = connectionParameters!;
        let given = 0;
        using monitor = RouteMonitor.open({
          namespace: client.namespace,
          groups: ['address', 'route', 'link'],
        });
        monitor.on('event', (event) => {
          if (event.type === 'address' && event.action === 'new' && what === 'address') given++;
          if (
            event.type === 'route' &&
            event.action === 'new' &&
            event.route.destination === what.split(' ')[1]
          )
            given++;
          if (event.type === 'link' && event.link.up && what.startsWith('state')) given++;
        });
        let undoing = true;
        const undone = (async () => {
          while (undoing) {
            try {
              undo(client, interfaceName, address);
            } catch {
              // It is not there at this moment.
            }
            await sleep(10);
          }
        })();
        const state = async () =>
          (await mesh.operator(0).listConnections({})).connections.find(
            ({ networkServiceName }) => networkServiceName === service,
          )!;
        const { detail, history } = await waitFor(
          async () => {
            const now = await state();
            return now.state === 'STALE' ? now : undefined;
          },
          { what: 'it is STALE', timeout: 30_000 },
        );
        expect(detail).toContain('changed behind its back again and again: ');
        // What comes at a bad moment makes that it could not be mended.
        const which = `${what}${what === 'address' ? ` ${address}` : ''} of ${interfaceName} (client)`;
        if (!what.startsWith('state')) expect(detail).toContain(which);
        expect(history.map((past) => past.state)).toContain('STALE');
        given = 0;
        // Time for a hundred mends.
        await sleep(2000);
        undoing = false;
        await undone;
        // After one pause, two pauses and so on; a link that comes up is told of several times.
        expect(given).toBeLessThanOrEqual(what.startsWith('state') ? 60 : 24);
        await firstAnswer(client.name, peerAddresses[0]!, {
          what: 'packets come back when nobody undoes it any more',
          timeout: 30_000,
        });
        const log = readFileSync(join(mesh.folder, 'node-a.log'), 'utf8')
          .split('\n')
          .filter((line) => line.includes(connectionId));
        expect(log.filter((line) => line.includes('something undoes what is mended'))).toHaveLength(1);
        // Each sort of difference is worth a line until it is contested.
        expect(log.filter((line) => line.includes('"msg":"mended"')).length).toBeLessThanOrEqual(12);
        await waitFor(async () => (await state()).state === 'UP', {
          what: 'it is called up again',
          timeout: 30_000,
        });
        expect((await state()).detail).toBe('');
      },
    );
  },
);
