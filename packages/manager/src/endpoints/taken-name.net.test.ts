// One name for two endpoints of one mesh: the first manager's that has it keeps it, and whoever comes second hears who has it.
import { join } from 'node:path';
import { requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';
import { linked } from '../manager.test.underlay.js';

describe.skipIf(!requireRoot('taken name'))('the name of an endpoint', () => {
  const shared = sharedMesh(['pod'], linked());

  // Node a serves the registry: what it writes there goes over no call, and shows no certificate.
  it.each([
    [0, 1],
    [1, 0],
  ] as const)('is not taken by node %i from node %i, as long as that has it', async (second, first) => {
    const { mesh } = shared;
    await mesh.serve(first, 'ping', 'pod');
    const manager = ['node-a', 'node-b'][first];
    const hosts = async (node: 0 | 1) =>
      (await mesh.operator(node).listEndpoints({})).endpoints.map(
        ({ endpoint, unavailable }) => `${endpoint?.networkServiceHost}${unavailable}`,
      );
    for (const node of [0, 1] as const) await waitFor(async () => (await hosts(node)).length === 1);
    const advertise = () =>
      mesh.provider(second).advertiseEndpoint({
        networkEndpoint: [
          {
            networkServiceName: 'ping',
            nseProviderName: 'pod',
            socketLocation: join(mesh.folder, 'pod.sock'),
            interface: [kernel],
          },
        ],
      });
    expect(await advertise()).toMatchObject({
      accepted: false,
      admissionError: expect.stringMatching(
        new RegExp(`^endpoint "pod" of "ping" is served by manager "${manager}": choose another name`),
      ),
    });
    for (const node of [0, 1] as const) expect(await hosts(node)).toEqual([manager]);
    await mesh.withdraw(first, 'ping', 'pod');
    await waitFor(async () => (await advertise()).accepted, { what: 'the name, which is free' });
  });
});
