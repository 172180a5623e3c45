// What a mesh tells of its work: one trace of one connect through all that take part in it, metrics, and lines of the log.
import { type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Collector, type ReceivedSpan } from '../mesh/collector.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsm } from '../mesh/nsm-command.js';

const listen = '127.0.0.1:9464';

describe.skipIf(!requireRoot('observed'))('an observed mesh', () => {
  let mesh: Mesh;
  let collector: Collector;
  let client: Pod;
  let first: Running;

  const connect = (service: string, ...flags: string[]) =>
    nsm('connect', service, '--netns', client.name, '--run-dir', mesh.a.runDir, '--json', ...flags);
  const metricsOf = async (node: 'a' | 'b'): Promise<string> =>
    await run(mesh[node].namespace.name, process.execPath, [
      '--input-type=module',
      '-e',
      `process.stdout.write(await (await fetch('http://${listen}/metrics')).text())`,
    ]);

  beforeAll(async () => {
    mesh = new Mesh({
      switched: { nodes: 2, forwarders: [1] },
      flags: ['--metrics-listen', listen, '--otlp-endpoint', 'http://127.0.0.1:4318'],
    });
    client = mesh.pod('client');
    const pod = mesh.pod('server');
    collector = new Collector([mesh.a, mesh.b, client, pod].map(({ namespace }) => namespace));
    await mesh.joinNodes();
    await mesh.registry?.start();
    await Promise.all(mesh.nodes.map((node) => node.start()));
    // Counted from now on.
    for (const node of ['a', 'b'] as const) await metricsOf(node);
    first = await mesh.endpoint(mesh.b, {
      pod,
      name: 'echo-1',
      services: ['echo'],
      flags: ['--prefix', '10.60.0.0/24', '--otlp-endpoint', collector.url],
    });
  });

  afterAll(async () => {
    await mesh?.stop();
    await collector?.[Symbol.asyncDispose]();
  });

  it('gives one trace of one connect, from the client to the forwarders', async () => {
    const { status, stdout, stderr } = await connect('echo', '--otlp-endpoint', collector.url);
    expect(`${status} ${stderr}`).toBe('0 ');
    const { id } = JSON.parse(stdout) as { id: string };
    const root = await waitFor(() => collector.spans.find(({ service }) => service === 'nsm-client'), {
      what: 'a span of the client',
    });
    const inTrace = (): ReceivedSpan[] => collector.spans.filter(({ traceId }) => traceId === root.traceId);
    const span = async (where: string, name: string): Promise<ReceivedSpan> =>
      await waitFor(
        () => inTrace().find((one) => `${one.service} ${one.instance}` === where && one.name === name),
        { what: `${name} of ${where}` },
      );
    const [a, b] = [mesh.a.name, mesh.b.name];
    const host = root.instance;
    // Each was done within the one before.
    const way = [
      await span(`nsm-client ${host}`, 'connect'),
      await span(`nsm-client ${host}`, 'ask the manager'),
      await span(`nsm-manager ${a}`, 'connect'),
      await span(`nsm-manager ${a}`, 'ask the other manager'),
      await span(`nsm-manager ${b}`, 'connect'),
      await span(`nsm-manager ${b}`, 'ask the endpoint'),
      await span('nsm-endpoint echo-1', 'connect'),
      await span('nsm-endpoint echo-1', 'decide about the connection'),
    ];
    expect(way.map(({ parentId }) => parentId)).toEqual([
      '',
      ...way.slice(0, -1).map(({ spanId }) => spanId),
    ]);
    for (const node of [a, b]) {
      const made = await span(`nsm-forwarder ${node}`, 'make the devices');
      const programmed = await span(`nsm-manager ${node}`, 'program the dataplane');
      const order = await span(`nsm-manager ${node}`, 'connect');
      expect([made.parentId, programmed.parentId]).toEqual([programmed.spanId, order.spanId]);
    }
    expect(way[2]?.attributes).toMatchObject({
      'nsm.service': 'echo',
      'nsm.connection': id,
      'nsm.role': 'CLIENT',
    });
    for (const { start, end } of way) expect(end).toBeGreaterThanOrEqual(start);
    // Each half is told of in the log of its manager, with the trace.
    for (const node of mesh.nodes) {
      const line = node.log.split('\n').find((one) => one.includes('"msg":"connection up"'));
      expect(JSON.parse(line ?? '{}')).toMatchObject({ trace: root.traceId, service: 'echo' });
    }
  });

  it('counts what it does', async () => {
    const refused = await connect('nothing');
    expect(refused.status).not.toBe(0);
    const [a, b] = [await metricsOf('a'), await metricsOf('b')];
    for (const line of [
      'nsm_manager_requests_total{by="client",result="accepted",code=""} 1',
      /^nsm_manager_requests_total\{by="client",result="refused",code="NSM\d+"\} 1$/m,
      'nsm_manager_connections{state="UP",role="CLIENT"} 1',
      /^nsm_manager_step_duration_seconds_count\{component="forwarder",step="make the devices"\} 1$/m,
      /^nsm_manager_service_packets_total\{service="echo",direction="(sent|received)"\} [1-9]/m,
      /^nsm_manager_store_write_duration_seconds_count\{result="written"\} [1-9]/m,
      'nsm_manager_registry_synced 1',
      /^nsm_process_build_info\{component="manager",version="[^"]+",node="v[^"]+"\} 1$/m,
    ])
      expect(a).toMatch(line);
    expect(b).toMatch('nsm_manager_requests_total{by="manager",result="accepted",code=""} 1');
    expect(b).toMatch('nsm_manager_connections{state="UP",role="ENDPOINT"} 1');
  });

  it('gives one trace of a close, on both nodes', async () => {
    const requestId = 'closed-again';
    await connect('echo', '--request-id', requestId);
    const { status } = await nsm(
      ...['disconnect', 'echo', '--request-id', requestId],
      ...['--netns', client.name, '--run-dir', mesh.a.runDir],
    );
    expect(status).toBe(0);
    const close = async (instance: string): Promise<ReceivedSpan> =>
      await waitFor(() => collector.spans.find((one) => one.name === 'close' && one.instance === instance), {
        what: `a close by ${instance}`,
      });
    const [here, there] = [await close(mesh.a.name), await close(mesh.b.name)];
    const told = collector.spans.find(({ spanId }) => spanId === there.parentId);
    expect(told).toMatchObject({ name: 'tell the other manager', parentId: here.spanId });
    expect(there.traceId).toBe(here.traceId);
  });

  it('tells of a heal: its cause, how long it took, and its trace', async () => {
    await mesh.endpoint(mesh.a, {
      pod: mesh.pod('other'),
      name: 'echo-2',
      services: ['echo'],
      flags: ['--prefix', '10.60.0.0/24'],
    });
    first.child.kill('SIGKILL');
    const line = await waitFor(() => mesh.a.log.split('\n').find((one) => one.includes('"msg":"healed"')), {
      what: 'a line that tells of the heal',
    });
    const { trace, cause, ms, connection } = JSON.parse(line) as Record<string, unknown>;
    expect({ cause, connection }).toEqual({
      cause: 'endpoint',
      connection: expect.stringMatching(/^node-a:/),
    });
    const heal = await waitFor(() => collector.spans.find(({ name }) => name === 'heal'), {
      what: 'the span of the heal',
    });
    expect(heal).toMatchObject({ traceId: trace, attributes: { 'nsm.cause': 'endpoint' } });
    expect(Number(heal.end - heal.start) / 1e6).toBeCloseTo(Number(ms), 0);
    const metrics = await metricsOf('a');
    expect(metrics).toMatch('nsm_manager_heals_total{cause="endpoint",result="accepted"} 1');
    expect(metrics).toMatch('nsm_manager_heal_duration_seconds_count{cause="endpoint"} 1');
  });
});
