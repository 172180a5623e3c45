// A copy that a watch keeps: resume, relist, back-off, and what listeners hear.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeApi } from './fake-api.js';
import { Informer, type InformerOptions } from './informer.js';
import { KubeClient, type KubeClientOptions } from './kube-client.js';
import { type ConfigMap, configMaps } from './resources.js';

const base = '/api/v1/namespaces/default/configmaps';
const pause = { first: 5, last: 20 };

describe('an informer', () => {
  let api: FakeApi;
  const running: (() => Promise<void> | void)[] = [];

  beforeEach(async () => {
    api = new FakeApi();
    await api.start();
  });
  afterEach(async () => {
    for (const end of running.splice(0)) await end();
    await api.stop();
  });

  function open(
    options: InformerOptions<ConfigMap> = {},
    client: KubeClientOptions = {},
  ): { readonly informer: Informer<ConfigMap>; readonly heard: string[] } {
    const kube = new KubeClient(api.config, client);
    const informer = new Informer(kube, configMaps, { namespace: 'default', pause, ...options });
    running.push(
      () => informer.stop(),
      () => kube.stop(),
    );
    const heard: string[] = [];
    informer.watch((event) => {
      const data =
        'object' in event ? ` ${event.object.metadata.name} ${event.object.data?.v ?? ''}`.trimEnd() : '';
      heard.push(`${event.type}${data}`);
    });
    informer.start();
    return { informer, heard };
  }
  const put = (name: string, v = '1'): void => api.put(`${base}/${name}`, { data: { v } });
  const lists = (): number => api.calls.filter((call) => !call.includes('watch=true')).length;
  const watches = (): string[] => api.calls.filter((call) => call.includes('watch=true'));

  it('tells what is there, that it is all, and every change', async () => {
    put('a');
    const { informer, heard } = open();
    expect(await informer.whenSynced(5000)).toBe(true);
    put('b');
    put('a', '2');
    api.remove(`${base}/b`);
    await vi.waitFor(() => expect(heard).toHaveLength(5));
    expect(heard).toEqual(['added a 1', 'synced', 'added b 1', 'changed a 2', 'deleted b 1']);
    expect(informer.get('default/a')?.data).toEqual({ v: '2' });
    const late: string[] = [];
    informer.watch(({ type }) => late.push(type));
    expect(late).toEqual(['added', 'synced']);
  });

  it('reads long lists page by page', async () => {
    for (let n = 0; n < 1100; n++) put(`m${n}`);
    const { informer } = open();
    expect(await informer.whenSynced(5000)).toBe(true);
    expect(informer.size).toBe(1100);
    expect(lists()).toBe(3);
  });

  it('goes on where a watch ended, from the last bookmark too, without a list', async () => {
    put('a');
    const { informer, heard } = open();
    await informer.whenSynced(5000);
    api.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '777' } } });
    put('b');
    await vi.waitFor(() => expect(heard).toContain('added b 1'));
    api.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '900' } } });
    api.endWatches();
    await vi.waitFor(() => expect(watches()).toHaveLength(2));
    expect(watches()[1]).toContain('resourceVersion=900');
    expect(lists()).toBe(1);
    expect(heard).not.toContain('away');
    expect(informer.synced).toBe(true);
  });

  it('survives a server that is away, and then hears of real changes only', async () => {
    put('stays');
    put('goes');
    const { informer, heard } = open();
    await informer.whenSynced(5000);
    await api.stop();
    await vi.waitFor(() => expect(informer.synced).toBe(false));
    expect(informer.size).toBe(2);
    put('comes');
    api.remove(`${base}/goes`);
    await api.start();
    await vi.waitFor(() => expect(heard.at(-1)).toBe('deleted goes 1'));
    expect(heard.slice(3)).toEqual(['away', 'synced', 'added comes 1', 'deleted goes 1']);
  });

  it.each([
    ['in the watch', () => undefined],
    [
      'as an answer',
      (call: string) => (call.includes('watch=true') && call.includes('Version=101') ? 410 : undefined),
    ],
  ])('lists anew when its version is too old: %s', async (_, answer) => {
    put('a');
    const { informer, heard } = open();
    await informer.whenSynced(5000);
    await api.stop();
    api.answer = answer;
    put('b');
    api.remove(`${base}/a`);
    api.compact();
    await api.start();
    await vi.waitFor(() => expect(heard).toContain('deleted a 1'));
    // Whoever has something to write again must hear it after what is gone.
    await vi.waitFor(() => expect(heard.lastIndexOf('synced')).toBeGreaterThan(heard.indexOf('deleted a 1')));
    expect(heard).toContain('added b 1');
    expect([...informer.values()].map(({ metadata }) => metadata.name)).toEqual(['b']);
    await vi.waitFor(() => expect(informer.synced).toBe(true));
  });

  it('lists anew when the server was set back to an older state', async () => {
    put('a');
    put('b');
    const { informer, heard } = open();
    await informer.whenSynced(5000);
    await api.stop();
    api.restore();
    put('b');
    await api.start();
    await vi.waitFor(() => expect(heard).toContain('deleted a 1'));
    expect(informer.size).toBe(1);
  });

  it('lists anew when the kind was taken away and came back', async () => {
    put('a');
    const { informer, heard } = open();
    await informer.whenSynced(5000);
    api.answer = () => 404;
    api.endWatches();
    await vi.waitFor(() => expect(informer.synced).toBe(false));
    api.remove(`${base}/a`);
    put('b');
    api.answer = () => undefined;
    await vi.waitFor(() => expect(heard.at(-1)).toBe('synced'));
    expect(informer.size).toBe(1);
  });

  it.each([
    ['every call is refused', () => 500],
    ['every watch is refused', (call: string) => (call.includes('watch=true') ? 429 : undefined)],
  ])('makes longer and longer pauses while %s', async (_, answer) => {
    api.answer = answer;
    open({ pause: { first: 10, last: 100_000 } });
    await vi.waitFor(() => expect(api.calls.length).toBeGreaterThan(3));
    const before = api.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Pauses of 80 ms and more by then: a loop would have made hundreds of calls.
    expect(api.calls.length - before).toBeLessThan(8);
  });

  it('makes pauses between watches that end at once', async () => {
    const { informer } = open({ pause: { first: 10, last: 100_000 } });
    await informer.whenSynced(5000);
    const ending = setInterval(() => api.endWatches(), 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    clearInterval(ending);
    expect(watches().length).toBeLessThan(10);
    expect(lists()).toBe(1);
  });

  it('finds out that a connection is dead though nothing ended it', async () => {
    const relay = await Relay.to(api.config.server.url);
    running.push(() => relay.stop());
    const kube = new KubeClient(
      { ...api.config, server: { url: relay.url } },
      { ping: { everyMs: 20, patienceMs: 20 } },
    );
    const informer = new Informer(kube, configMaps, { pause, namespace: 'default' });
    running.push(
      () => informer.stop(),
      () => kube.stop(),
    );
    const heard: string[] = [];
    informer.watch(({ type }) => heard.push(type));
    informer.start();
    await informer.whenSynced(5000);
    relay.freeze();
    await vi.waitFor(() => expect(heard).toContain('away'));
    put('a');
    await vi.waitFor(() => expect(informer.size).toBe(1));
  });

  it('shares one connection with all other calls', async () => {
    const kube = new KubeClient(api.config);
    const informers = [1, 2, 3].map(() => new Informer(kube, configMaps, { pause, namespace: 'default' }));
    running.push(...informers.map((informer) => () => informer.stop()), () => kube.stop());
    for (const informer of informers) informer.start();
    for (const informer of informers) await informer.whenSynced(5000);
    await Promise.all(Array.from({ length: 300 }, (_, n) => kube.create(configMaps, object(`m${n}`))));
    expect(api.connections).toBe(1);
    await vi.waitFor(() => expect(informers.map(({ size }) => size)).toEqual([300, 300, 300]));
  });

  it('is silent after its end, and ends while it waits', async () => {
    const { informer, heard } = open({ pause: { first: 60_000, last: 60_000 } });
    await informer.whenSynced(5000);
    api.answer = () => 500;
    api.breakOff();
    await vi.waitFor(() => expect(heard).toContain('away'));
    await informer.stop();
    await informer.stop();
    expect(informer.synced).toBe(false);
  });
});

function object(name: string): ConfigMap {
  return { metadata: { name, namespace: 'default' } };
}

/** Carries bytes to the server until it is frozen, as by a host that is switched off; connections made later work. */
class Relay {
  readonly #server: Server;
  readonly #pairs: (readonly [Socket, Socket])[] = [];

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      this.#pairs.push([near, far]);
    });
  }

  static async to(url: string): Promise<Relay> {
    const relay = new Relay(Number(new URL(url).port));
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  freeze(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
    }
  }

  stop(): void {
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy();
    this.#server.close();
  }
}
