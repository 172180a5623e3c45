// Meshes that tests tell of.
import type { ConnectionView, StepView } from '@nsm/views/connection-view';
import type { ListedEndpointView } from '@nsm/views/endpoint-view';
import { connectionTold, endpointTold, type FakeManager, FakeMesh, since } from './fake-mesh.js';

/** Three nodes, four services, and connections in every state. */
export function variedMesh(): FakeMesh {
  const mesh = new FakeMesh(['node-a', 'node-b', 'node-c']);
  const [a, b, c] = mesh.managers as [FakeManager, FakeManager, FakeManager];
  const firewall = endpointTold('fw-1', 'firewall', 'node-a', { labels: { tier: 'gold' } });
  const vpn = endpointTold('vpn-1', 'vpn-gateway', 'node-b', { prefixes: ['10.70.0.0/24'] });
  const dns = endpointTold('dns-2', 'dns', 'node-c', { unavailable: 'its node is drained' });
  const lan = endpointTold('lan-1', 'lan', 'node-c', { interfaces: ['kernel', 'mem'] });
  a.endpoints = [firewall];
  b.endpoints = [vpn];
  c.endpoints = [dns, lan];
  const put = (manager: FakeManager, connection: ConnectionView): void =>
    void manager.connections.set(connection.id, connection);
  const order = {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    kind: 'connect',
    started: since,
    durationMs: 11.8,
    underWay: false,
    error: '',
    steps: [
      {
        name: 'choose endpoint',
        manager: 'node-a',
        component: 'manager',
        startMs: 0,
        durationMs: 0.4,
        error: '',
      },
      {
        name: 'ask other manager',
        manager: 'node-a',
        component: 'manager',
        startMs: 0.5,
        durationMs: 6.9,
        error: '',
      },
      {
        name: 'ask endpoint',
        manager: 'node-b',
        component: 'endpoint',
        startMs: 1.2,
        durationMs: 2.3,
        error: '',
      },
      {
        name: 'make interface',
        manager: 'node-b',
        component: 'forwarder',
        startMs: 3.6,
        durationMs: 2.9,
        error: '',
      },
      {
        name: 'make interface',
        manager: 'node-a',
        component: 'forwarder',
        startMs: 7.5,
        durationMs: 2.6,
        error: '',
      },
      { name: 'probe', manager: 'node-a', component: 'forwarder', startMs: 10.2, durationMs: 1.5, error: '' },
    ],
  };
  const [choose, ask] = order.steps as [StepView, StepView];
  const tried = [0, 1, 2].flatMap((attempt): StepView[] => [
    { ...choose, manager: 'node-c', startMs: 2500 * attempt },
    { ...ask, manager: 'node-c', startMs: 2500 * attempt + 1, error: 'endpoint fw-1 refuses (NSM0203)' },
  ]);
  const heal = { ...order, kind: 'heal', durationMs: 7700, underWay: true, steps: tried };
  put(a, connectionTold(1, 'node-a', firewall, { requestId: 'web-1' }));
  put(a, connectionTold(2, 'node-a', vpn, { requestId: 'web-2', lastOrder: order, roundTripUs: 190 }));
  put(a, connectionTold(3, 'node-a', lan, { requestId: 'batch-1' }));
  put(b, connectionTold(4, 'node-b', firewall, { requestId: 'api-1' }));
  put(
    b,
    connectionTold(5, 'node-b', lan, {
      requestId: 'api-2',
      state: 'HEALING',
      attempt: 2,
      detail: 'no packets come back',
    }),
  );
  put(b, connectionTold(6, 'node-b', vpn, { requestId: 'cache-1' }));
  put(c, connectionTold(7, 'node-c', lan, { requestId: 'edge-1' }));
  put(
    c,
    connectionTold(8, 'node-c', firewall, {
      requestId: 'edge-2',
      state: 'FAILED',
      detail: 'endpoint fw-1 refuses',
      lastOrder: heal,
    }),
  );
  put(
    c,
    connectionTold(9, 'node-c', vpn, {
      requestId: 'edge-3',
      state: 'STALE',
      detail: 'route removed by others',
    }),
  );
  return mesh;
}

/** @param connections so many, over four nodes and eight endpoints. */
export function largeMesh(connections: number): FakeMesh {
  const mesh = new FakeMesh(['node-a', 'node-b', 'node-c', 'node-d']);
  mesh.managers.forEach((manager, index) => {
    manager.endpoints = [0, 1].map((one) =>
      endpointTold(`ep-${index}-${one}`, `service-${one}`, `node-${'abcd'[index]}`),
    );
  });
  const endpoints = mesh.managers.flatMap(({ endpoints }) => endpoints);
  for (let number = 0; number < connections; number++) {
    const manager = mesh.managers[number % 4] as FakeManager;
    const told = connectionTold(
      number,
      `node-${'abcd'[number % 4]}`,
      endpoints[number % 7] as ListedEndpointView,
    );
    manager.connections.set(told.id, told);
  }
  return mesh;
}
