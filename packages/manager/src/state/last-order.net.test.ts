// What operators are told of the last order of a connection: every step of it, on both nodes.
import type { admin } from '@nsm/api';
import { requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';

describe.skipIf(!requireRoot('orders'))('the last order of a connection', () => {
  const shared = sharedMesh(['client', 'first', 'second']);

  const orderAt = async (node: 0 | 1): Promise<admin.Order | undefined> =>
    (await shared.mesh.operator(node).listConnections({})).connections[0]?.lastOrder;
  const stepsOf = (order: admin.Order | undefined): string[] =>
    (order?.steps ?? []).map(({ manager, component, name }) => `${manager} ${component}: ${name}`);

  it('tells every step, on both nodes, in one list', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'first');
    const request = {
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    };
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const { accepted } = await mesh.client(0).requestConnection(request, { headers });
    expect(accepted).toBe(true);
    const [order, other] = [await orderAt(0), await orderAt(1)];
    expect(order).toMatchObject({ kind: 'connect', traceId, error: '', underWay: false });
    expect(other).toMatchObject({ kind: 'connect', traceId });
    const steps = stepsOf(order);
    for (const step of [
      'node-a manager: look up the client',
      'node-a manager: ask the other manager',
      'node-b manager: ask the endpoint',
      'node-b forwarder: make the devices',
      'node-a manager: program the dataplane',
      'node-a forwarder: make the devices',
    ])
      expect(steps).toContain(step);
    expect(steps.slice().sort()).toEqual(expect.arrayContaining(stepsOf(other).sort()));
    for (const { startMs, durationMs } of order!.steps)
      expect(startMs + durationMs).toBeLessThanOrEqual(order!.durationMs + 0.1);
    const [asked] = order!.steps.filter(({ name }) => name === 'ask the other manager');
    const there = order!.steps.filter(({ manager }) => manager === 'node-b');
    for (const { startMs } of there) expect(startMs).toBeGreaterThanOrEqual(asked!.startMs);

    // What is confirmed has the course by which it came to be.
    await mesh.client(0).requestConnection(request);
    expect(await orderAt(0)).toEqual(order);

    await mesh.killEndpoint('first');
    await waitFor(async () => (await orderAt(0))?.steps.some(({ error }) => error.includes('no endpoint')));
    expect(await orderAt(0)).toMatchObject({
      kind: 'heal',
      underWay: true,
      error: expect.stringContaining('no endpoint'),
    });
    await mesh.serve(0, 'ping', 'second');
    const healed = await waitFor(async () => {
      const heal = await orderAt(0);
      return heal?.underWay ? undefined : heal;
    });
    expect(healed).toMatchObject({ kind: 'heal', error: '' });
    expect(stepsOf(healed).filter((step) => /interface|endpoint|forwarder: make/.test(step))).toEqual(
      expect.arrayContaining([
        'node-a manager: remove the interface',
        'node-a manager: ask the endpoint',
        'node-a forwarder: make the devices',
      ]),
    );
  });
});
