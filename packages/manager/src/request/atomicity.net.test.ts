// All or nothing, on real interfaces: a failure after every single step of a local and of a remote request leaves
// nothing on either node.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';

describe.skipIf(!requireRoot('atomicity'))('a request that fails', () => {
  const shared = sharedMesh(['client', 'near', 'far']);

  it.each(['near', 'far'])(
    'leaves nothing, whichever step of a request for "%s" it fails at',
    async (service) => {
      const { mesh } = shared;
      await mesh.serve(0, 'near', 'near');
      await mesh.serve(1, 'far', 'far');
      const { managers } = mesh;
      const { name } = mesh.pod('client');
      const request = () =>
        mesh.client(0).requestConnection({
          requestId: 'pod-1',
          networkServiceName: service,
          linuxNamespace: name,
          interface: [kernel],
        });

      const accepted = await request();
      expect(accepted).toMatchObject({ accepted: true });
      expect(await ping(name, accepted.connectionParameters!.peerAddresses[0]!)).toMatchObject({
        received: 1,
      });
      await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: service });
      expect(await mesh.remains()).toEqual([]);

      const stepsOf = managers.map(({ steps }) => [...new Set(steps)]);
      expect(stepsOf.flat().length).toBeGreaterThan(service === 'near' ? 3 : 7);
      for (const [index, steps] of stepsOf.entries()) {
        for (const step of steps) {
          await managers[index]!.failAt(step);
          const refused = await request();
          expect(refused, step).toMatchObject({ accepted: false });
          expect(refused.admissionError, step).toContain(`injected after "${step}"`);
          expect(await mesh.remains(), step).toEqual([]);
          await managers[index]!.failAt(undefined);
        }
      }
      // Nothing was used up, and the mesh still works.
      const again = await request();
      expect(again).toMatchObject({ accepted: true });
      expect(await ping(name, again.connectionParameters!.peerAddresses[0]!)).toMatchObject({ received: 1 });
      expect(mesh.closed.length).toBeGreaterThan(0);
    },
  );

  it.each(['near', 'far'])(
    'is closed at an endpoint of "%s" that was asked and not waited for',
    async (service) => {
      const { mesh } = shared;
      await mesh.serve(0, 'near', 'near');
      await mesh.serve(1, 'far', 'far');
      let decide = (): void => undefined;
      mesh.answering.until = new Promise((resolve) => {
        decide = resolve;
      });
      const asked = mesh.client(0).requestConnection(
        {
          requestId: 'pod-1',
          networkServiceName: service,
          linuxNamespace: mesh.pod('client').name,
          interface: [kernel],
        },
        { timeoutMs: 300 },
      );
      await expect(asked).rejects.toMatchObject({ kind: 'deadline' });
      await waitFor(() => mesh.closed.length > 0);
      decide();
      expect(await mesh.remains()).toEqual([]);
    },
  );
});
