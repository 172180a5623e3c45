// Something in the endpoint's pod that keeps undoing its half: the client's node tells why packets do not come back.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstAnswer, requireRoot, type TestNamespace, thorough, waitFor } from '@nsm/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';
import { mendPauses } from '../manager.test.start.js';
import { linked } from '../manager.test.underlay.js';

/** Between two looks at whether packets come back. */
const probeIntervalMs = thorough ? 500 : 300;

type Undo = (pod: TestNamespace, device: number) => void;

const withoutAddress: Undo = ({ route }, device) => {
  for (const { address, index, family } of route.addresses())
    if (index === device && family === 'ipv4') route.deleteAddress(device, { address });
};
const down: Undo = ({ route }, device) => route.setLink(device, { up: false });

/** Undoes it again and again on all interfaces that the mesh has in a pod, until it is stopped. */
function keepUndoing(pod: TestNamespace, undo: Undo, everyMs = 20): () => Promise<void> {
  let undoing = true;
  const undone = (async () => {
    while (undoing) {
      try {
        for (const { name, index } of pod.route.links()) if (name.startsWith('nse')) undo(pod, index);
      } catch {
        // It is not there at this moment.
      }
      await sleep(everyMs);
    }
  })();
  return async () => {
    undoing = false;
    await undone;
  };
}

const request = (mesh: TestMesh, requestId: string) =>
  mesh.client(0).requestConnection({
    requestId,
    networkServiceName: 'ping',
    linuxNamespace: mesh.pod('client').name,
    interface: [kernel],
  });

describe.skipIf(!requireRoot('undone there'))(
  'a half that something in its pod undoes',
  { timeout: 120_000 },
  () => {
    const shared = sharedMesh(['client', 'far', 'other'], linked(), { mendPauses, probeIntervalMs });

    it.each([
      ['its address', withoutAddress, 'address ', 'pod-2'],
      ['that it is up', down, 'state "up"', 'pod-3'],
    ] as const)(
      'is told of on the other node, which is not called silent: %s',
      async (_, undo, what, requestId) => {
        const { mesh } = shared;
        const before = readFileSync(join(mesh.folder, 'node-a.log'), 'utf8');
        await mesh.serve(1, 'ping', 'far');
        // What is told of a connection is told once, whichever test asks for it.
        const { connectionParameters } = await request(mesh, requestId);
        const stop = keepUndoing(mesh.pod('far'), undo);
        onTestFinished(stop);
        const half = async (node: 0 | 1) => (await mesh.operator(node).listConnections({})).connections[0]!;
        const stale = await waitFor(
          async () => {
            const now = await half(0);
            return now.state === 'STALE' ? now : undefined;
          },
          { what: "the client's half is STALE", timeout: 40_000 },
        );
        for (const words of ['on node "node-b": changed behind its back again and again', what])
          expect(stale.detail).toContain(words);
        expect(stale.detail).toMatch(
          /\d times and more; something else in the pod of endpoint "far" \(net:\[/,
        );
        // Much longer than it takes to call a node silent.
        await sleep(12 * probeIntervalMs);
        // Where somebody comes in between each mend, the half is made anew now and then, and is neither STALE nor told of for a moment.
        await waitFor(
          async () => {
            const { candidates } = await mesh.operator(0).explainSelection({
              networkServiceName: 'ping',
              interface: [kernel],
            });
            return candidates[0]?.reason.includes('on node "node-b": changed behind its back');
          },
          { what: 'the choice of an endpoint knowing of it', timeout: 40_000 },
        );
        const later = await waitFor(
          async () => {
            const now = await half(0);
            return now.detail.includes('changed behind its back again and again') ? now : undefined;
          },
          { what: "the client's half telling of it still", timeout: 40_000 },
        );
        for (const { detail } of later.history) expect(detail).not.toContain('no packets come back');
        await stop();
        const [peer = ''] = connectionParameters!.peerAddresses;
        await firstAnswer(mesh.pod('client').name, peer, {
          what: 'packets come back when nobody undoes it any more',
          timeout: 40_000,
        });
        for (const node of [0, 1] as const)
          await waitFor(async () => (await half(node)).state === 'UP' && (await half(node)).detail === '', {
            what: 'it is called up again on both nodes',
            timeout: 60_000,
          });
        const log = readFileSync(join(mesh.folder, 'node-a.log'), 'utf8').slice(before.length);
        expect(log.match(/something on the other node undoes/g)).toHaveLength(1);
        expect(log).not.toContain('no packets come back');
      },
    );

    it('is the reason for which a request is refused', async () => {
      const { mesh } = shared;
      await mesh.serve(1, 'ping', 'far');
      await request(mesh, 'pod-1');
      const undoings = [keepUndoing(mesh.pod('far'), withoutAddress)];
      const state = async () => (await mesh.operator(1).listConnections({})).connections[0]?.state;
      await waitFor(async () => (await state()) === 'STALE', {
        what: "the endpoint's half is STALE",
        timeout: 40_000,
      });
      // So soon after each mend that hardly a packet comes through; before, the half would hardly be mended at all.
      undoings.push(keepUndoing(mesh.pod('far'), withoutAddress, 1));
      const admissionError = await waitFor(
        async () => {
          await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
          return (await request(mesh, 'pod-1')).admissionError;
        },
        { what: 'a request is refused', timeout: 20_000 },
      );
      // Or while it is made.
      expect(admissionError).toMatch(
        /on node "node-b": changed behind its back again and again.*\(NSM0602\)|manager "node-b": .*\(NSM0601\)/,
      );
      expect(admissionError).not.toContain('is UDP port');
      for (const stop of undoings) await stop();
      expect((await request(mesh, 'pod-1')).admissionError).toBe('');
    });

    it('is left for another endpoint where there is one, on the same node too', async () => {
      const { mesh } = shared;
      await mesh.serve(1, 'ping', 'far');
      await request(mesh, 'pod-1');
      await mesh.serve(1, 'ping', 'other');
      const stop = keepUndoing(mesh.pod('far'), withoutAddress);
      const serving = async () =>
        (await mesh.operator(0).listConnections({})).connections.map(
          ({ state, nseProviderName }) => `${state} ${nseProviderName}`,
        );
      await waitFor(async () => (await serving()).join() === 'UP other', {
        what: 'it has moved',
        timeout: 20_000,
      });
      await stop();
    });
  },
);
