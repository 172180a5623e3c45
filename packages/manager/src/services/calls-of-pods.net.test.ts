// What clients and endpoints call, on real interfaces, where the order of calls or what is left out of them matters.
import { connect } from '@nsm/api';
import { requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

const key = { requestId: 'pod-1', networkServiceName: 'near' };
const { UP, CLOSED, SYNCED } = connect.ConnectionEvent_Kind;
const names: Readonly<Record<number, string>> = { [UP]: 'UP', [CLOSED]: 'CLOSED', [SYNCED]: 'SYNCED' };
const requestOf = (mesh: TestMesh, pod = 'client') => ({
  ...key,
  linuxNamespace: mesh.pod(pod).name,
  interface: [kernel],
});

describe.skipIf(!requireRoot('calls'))('a client', () => {
  const shared = sharedMesh(['client', 'other', 'near']);

  it.each([{ requestId: 'another' }, { networkServiceName: 'another' }])(
    'gets nothing of an endpoint that answers %o',
    async (answer) => {
      const { mesh } = shared;
      await mesh.serve(0, 'near', 'near', answer);
      const { accepted, admissionError } = await mesh.client(0).requestConnection(requestOf(mesh));
      expect(accepted).toBe(false);
      expect(admissionError).toMatch(/endpoint "near" answered another request: .*"another".*\(NSM0204\)/);
      expect(await mesh.remains()).toEqual([]);
    },
  );

  it('is taken at its word when it closes what is being made, and what has not begun', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    mesh.answering.until = new Promise(() => undefined);
    const closed = {
      accepted: false,
      admissionError: expect.stringContaining('was closed while it was being made'),
    };
    for (const begun of [true, false]) {
      const seen = mesh.asked.length;
      const asked = mesh.client(0).requestConnection(requestOf(mesh));
      if (begun) await waitFor(() => mesh.asked.length > seen);
      const close = await mesh.client(0).closeConnection(key);
      expect(close).toMatchObject({ accepted: true, alreadyClosed: false });
      expect(await asked).toMatchObject(closed);
      expect(await mesh.remains()).toEqual([]);
    }
    // The endpoint's name for it is free again.
    mesh.answering.until = Promise.resolve();
    expect(await mesh.client(0).requestConnection(requestOf(mesh, 'other'))).toMatchObject({
      accepted: true,
    });
    expect(mesh.asked.at(-1)?.requestId).toBe(key.requestId);
  });

  it('hears of the end of a connection once', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    const stop = new AbortController();
    const heard: string[] = [];
    const watching = (async () => {
      for await (const { kind, detail } of mesh.client(0).watchConnections({}, { signal: stop.signal }))
        heard.push(`${names[kind]} ${detail}`.trim());
    })().catch(() => undefined);
    await waitFor(() => heard.includes('SYNCED'));
    await mesh.client(0).requestConnection(requestOf(mesh));
    await mesh.provider(0).closeConnection({ ...key, reason: 'maintenance' });
    await mesh.client(0).requestConnection(requestOf(mesh));
    await waitFor(() => heard.length >= 4);
    stop.abort();
    await watching;
    expect(heard).toEqual(['SYNCED', 'UP', 'CLOSED maintenance', 'UP']);
  });
});

describe.skipIf(!requireRoot('calls'))('an endpoint', () => {
  const shared = sharedMesh(['near']);

  it('that is removed without a namespace is that of "default"', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    const { endpoints } = await mesh.operator(0).listEndpoints({});
    const { provider: _, ...record } = endpoints[0]!.endpoint!;
    await mesh
      .provider(0)
      .advertiseEndpoint({ networkEndpoint: [{ ...record, nseProviderNamespace: 'prod' }] });
    await mesh.provider(0).removeEndpoint({ nseProviderName: 'near' });
    const left = (await mesh.operator(0).listEndpoints({})).endpoints;
    expect(left.map(({ endpoint }) => endpoint?.nseProviderNamespace)).toEqual(['prod']);
  });
});
