// The address from which this node talked to another manager leaves it: it talks to it from another one at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { leaks, ping, requireRoot } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { kernel, TestMesh } from '../manager.test.mesh.js';

/** Of node-a, for as long as a test wants it. */
const passing = '10.77.0.1';
const other = '10.9.0.2';

describe.skipIf(!requireRoot('vanished source'))('a channel to another manager', { timeout: 60_000 }, () => {
  afterAll(() => expect(leaks()).toEqual([]));

  /** node-a sends to node-b from an address that it will lose. */
  function come(mesh: TestMesh): void {
    const { route } = mesh.pod('node-a');
    const { index } = route.link('under')!;
    route.addAddress(index, { address: `${passing}/32` });
    route.addRoute({ destination: `${other}/32`, device: index, source: passing, scope: 'link' });
  }
  function go(mesh: TestMesh): void {
    const { route } = mesh.pod('node-a');
    // The kernel takes the route with it.
    route.deleteAddress(route.link('under')!.index, { address: `${passing}/32` });
  }
  function answer(mesh: TestMesh): void {
    const { route } = mesh.pod('node-b');
    route.addRoute({ destination: `${passing}/32`, device: route.link('under')!.index, scope: 'link' });
  }
  async function request(mesh: TestMesh, requestId: string) {
    const { admissionError, connectionParameters } = await mesh.client(0).requestConnection({
      requestId,
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    });
    const peer = connectionParameters?.peerAddresses[0] ?? '';
    return { admissionError, peer };
  }

  // Each waits for seconds, on nodes of its own.
  it.concurrent('that is connected is connected anew', async () => {
    await using mesh = await TestMesh.start(['client', 'endpoint']);
    await mesh.serve(1, 'ping', 'endpoint');
    come(mesh);
    answer(mesh);
    expect((await request(mesh, 'pod-1')).admissionError).toBe('');
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    go(mesh);
    await sleep(1000);
    const { admissionError, peer } = await request(mesh, 'pod-2');
    expect(admissionError).toBe('');
    expect((await ping(mesh.pod('client').name, peer)).received).toBe(1);
    // Whoever stops waits for the other end of connections that it had accepted.
    come(mesh);
  });

  it.concurrent('that waits for the answer to its SYN is connected anew', async () => {
    await using mesh = await TestMesh.start(['client', 'endpoint']);
    await mesh.serve(1, 'ping', 'endpoint');
    come(mesh);
    const requested = request(mesh, 'pod-1');
    await sleep(700);
    go(mesh);
    // It was proposed a tunnel from the address that has gone; what matters is that it was heard at all.
    const { admissionError } = await requested;
    expect(admissionError).toContain('manager "node-b": ENETUNREACH: look up route to 10.77.0.1');
    expect((await request(mesh, 'pod-1')).admissionError).toBe('');
  });

  it.concurrent('that is not answered is given up in time to say so', async () => {
    await using mesh = await TestMesh.start(['client', 'endpoint']);
    await mesh.serve(1, 'ping', 'endpoint');
    come(mesh);
    const { admissionError } = await request(mesh, 'pod-1');
    expect(admissionError).toContain('(NSM0501)');
    answer(mesh);
    expect((await request(mesh, 'pod-1')).admissionError).toBe('');
  });
});
