// Calls of the API: what they ask, and how their failures read.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApi } from './fake-api.js';
import { KubeClient } from './kube-client.js';
import type { KubeCredentials } from './kube-config.js';
import { configMaps, pods } from './resources.js';

describe('a client of the Kubernetes API', () => {
  let api: FakeApi;
  let kube: KubeClient;
  const one = { name: 'a', namespace: 'default' };

  beforeEach(async () => {
    api = new FakeApi();
    await api.start();
    kube = new KubeClient(api.config);
  });
  afterEach(async () => {
    kube.stop();
    await api.stop();
  });

  it('creates, reads, applies, patches and deletes', async () => {
    expect(await kube.create(configMaps, { metadata: one, data: { x: '1' } })).toMatchObject({
      kind: 'ConfigMap',
    });
    expect((await kube.get(configMaps, one)).data).toEqual({ x: '1' });
    await kube.apply(configMaps, { metadata: one, data: { y: '2' } }, { force: false });
    await kube.patch(pods, one, { status: {} }, { subresource: 'status' });
    expect(await kube.delete(configMaps, one)).toBe(true);
    expect(await kube.delete(configMaps, one)).toBe(false);
    expect(api.calls).toEqual([
      'POST /api/v1/namespaces/default/configmaps?fieldManager=nsm',
      'GET /api/v1/namespaces/default/configmaps/a',
      'PATCH /api/v1/namespaces/default/configmaps/a?fieldManager=nsm&force=false',
      'PATCH /api/v1/namespaces/default/pods/a/status?fieldManager=nsm',
      'DELETE /api/v1/namespaces/default/configmaps/a',
      'DELETE /api/v1/namespaces/default/configmaps/a',
    ]);
  });

  it.each([
    [403, 'privilege'],
    [404, 'not-found'],
    [409, 'conflict'],
    [422, 'invalid'],
    [429, 'overload'],
    [503, 'unavailable'],
  ])('tells status %i as %s, with what was asked', async (status, kind) => {
    api.answer = () => status;
    await expect(kube.get(configMaps, one)).rejects.toMatchObject({
      kind,
      status,
      message: 'get configmaps "a" in namespace "default": refused: Told',
    });
  });

  it('gives up on an answer that does not come, and says for what', async () => {
    api.answer = () => 'hang';
    await expect(kube.get(configMaps, one, { timeoutMs: 20 })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('no answer to get configmaps "a" in namespace "default" in 20 ms'),
    });
    const ending = new AbortController();
    const call = kube.get(configMaps, one, { signal: ending.signal });
    ending.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });

  it('fails while the server is away, and works over a new connection when it is back', async () => {
    api.put('/api/v1/namespaces/default/configmaps/a');
    await kube.get(configMaps, one);
    await api.stop();
    await expect(kube.get(configMaps, one)).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'Unreachable',
    });
    await api.start();
    expect((await kube.get(configMaps, one)).metadata.name).toBe('a');
    kube.stop();
    await expect(kube.get(configMaps, one)).rejects.toMatchObject({
      message: expect.stringContaining('stopped'),
    });
  });

  it('does not ask a connection for a sign of life that has ended a moment before', async () => {
    api.put('/api/v1/namespaces/default/configmaps/a');
    const everyMs = 20;
    const own = new KubeClient(api.config, { ping: { everyMs, patienceMs: 1000 } });
    await own.get(configMaps, one);
    // Busy in a timer until the time for the question has come: timers go before the end of the connection.
    await new Promise((resolve) => setTimeout(resolve, 1));
    own.stop();
    await Promise.resolve();
    for (const end = performance.now() + 2 * everyMs; performance.now() < end; );
    // What a timer throws ends the process.
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  });

  it('reads a token anew when the server refuses it, once', async () => {
    let token = 'old';
    let kept: string | undefined;
    const credentials: KubeCredentials = {
      async token() {
        kept ??= token;
        return kept;
      },
      forget() {
        kept = undefined;
      },
    };
    api.put('/api/v1/namespaces/default/configmaps/a');
    const own = new KubeClient({ ...api.config, credentials });
    await own.get(configMaps, one);
    api.answer = () => (kept === 'new' ? undefined : 401);
    token = 'new';
    expect((await own.get(configMaps, one)).metadata.name).toBe('a');
    api.answer = () => 401;
    await expect(own.get(configMaps, one)).rejects.toMatchObject({ kind: 'untrusted', status: 401 });
    own.stop();
  });
});
