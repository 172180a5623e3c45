// Server-sent events, as a browser hears them: a page whose connection broke hears what it missed, and nothing twice.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeManager } from './fake-mesh.js';
import { type Served, serveMesh } from './served.js';
import { variedMesh } from './told-meshes.js';

interface Heard {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly put?: readonly { readonly id: string; readonly state: string }[] };
}

describe('server-sent events', () => {
  const fake = variedMesh();
  const [manager] = fake.managers as readonly [FakeManager, ...FakeManager[]];
  let served: Served;
  beforeAll(async () => {
    served = await serveMesh(fake);
  });
  afterAll(async () => await served?.[Symbol.asyncDispose]());

  /** Listens until an event fits. @returns all until then, but for counters. */
  const listen = async (path: string, last: string, fits: (heard: Heard) => boolean): Promise<Heard[]> => {
    const abort = new AbortController();
    const headers = last === '' ? {} : { 'last-event-id': last };
    const { body } = await fetch(`${served.url}${path}`, { headers, signal: abort.signal });
    const all: Heard[] = [];
    let text = '';
    for await (const piece of body!.pipeThrough(new TextDecoderStream()) as never as AsyncIterable<string>) {
      text += piece;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
        if (fields.event === undefined || fields.event === 'sample') continue;
        const heard = { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
        all.push(heard);
        if (fits(heard)) {
          abort.abort();
          return all;
        }
      }
    }
    return all;
  };
  const change = (id: string, state: string): void =>
    manager.put({ ...manager.connections.get(id)!, state, since: new Date().toISOString() });
  const is = (id: string, state: string) => (heard: Heard) =>
    heard.data.put?.some((one) => one.id === id && one.state === state) === true;
  const [one, two] = ['node-a:00000001', 'node-a:00000002'];

  it('begin with all there is, and go on where they broke', async () => {
    const [first] = await listen('api/events', '', () => true);
    expect(first?.event).toBe('snapshot');
    const heard = listen('api/events', first!.id, is(one!, 'HEALING'));
    change(one!, 'HEALING');
    const last = (await heard).at(-1)!;
    // Nobody listens meanwhile.
    change(one!, 'SYNCED');
    await expect
      .poll(() => served.mesh.things.find(({ id }) => id === one))
      .toMatchObject({ state: 'SYNCED' });
    change(two!, 'HEALING');
    const missed = await listen('api/events', last.id, is(two!, 'HEALING'));
    expect(missed.every(({ event }) => event === 'patch')).toBe(true);
    expect(missed.some(is(one!, 'SYNCED'))).toBe(true);
    expect(missed.some(is(one!, 'HEALING'))).toBe(false);
  });

  it('go on after what was fetched as JSON', async () => {
    const { id } = (await (await fetch(`${served.url}api/mesh`)).json()) as { id: string };
    change(two!, 'SYNCED');
    const heard = await listen(`api/events?after=${id}`, '', is(two!, 'SYNCED'));
    expect(heard.map(({ event }) => event)).not.toContain('snapshot');
  });

  it.each(['another-1', 'x', '0000-99999'])(
    'begin anew after %j, which is none of this server',
    async (last) => {
      const [first] = await listen('api/events', last, () => true);
      expect(first?.event).toBe('snapshot');
    },
  );
});
