import { NsmError } from '@nsm/api';
import { type ManagerView, managerView } from '@nsm/views/manager-view';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionNews, Look, ManagerFeed, MeshSource } from '../manager-feed.js';
import type { MeshNode } from '../model.js';
import { LiveMesh } from './live-mesh.js';

/** A manager that tells of others, and of nothing else. */
class Feed implements ManagerFeed {
  readonly where: string;
  readonly isLocal: boolean = false;
  managers: ManagerView[] = [];
  ended: boolean = false;
  readonly #name: string;

  constructor(name: string, where: string = name) {
    this.#name = name;
    this.where = where;
  }

  async look(): Promise<Look> {
    if (this.ended) throw new Error('it has ended');
    return { name: this.#name, troubles: [], managers: this.managers, endpoints: [], connections: [] };
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionNews> {
    yield { kind: 'synced' };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  compare(): never {
    throw new Error('not asked for');
  }

  explain(): never {
    throw new Error('not asked for');
  }

  async capture(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async drain(): Promise<string> {
    return '';
  }

  [Symbol.dispose](): void {
    this.ended = true;
  }
}

const manager = (name: string, more: Partial<ManagerView> = {}): ManagerView => ({
  ...managerView(undefined),
  name,
  address: `${name}:5001`,
  security: 'mtls',
  alive: true,
  ...more,
});

it('a manager that was named is asked as it was named, though another tells of it first', async () => {
  const [first, second] = [new Feed('a'), new Feed('b')];
  for (const feed of [first, second]) feed.managers = [manager('a'), manager('b')];
  const others: Feed[] = [];
  const feedOf = ({ name, address }: ManagerView): ManagerFeed => {
    others.push(new Feed(name, address));
    return others.at(-1) as Feed;
  };
  // It answers late, and then not at once.
  const { look } = second;
  let isThere = false;
  second.look = async () => {
    if (!isThere) throw new Error('no manager answers');
    return await look.call(second);
  };
  await using mesh = new LiveMesh({ feeds: [first, second], feedOf });
  for (let times = 0; times < 3; times++) await mesh.refresh();
  isThere = true;
  for (let times = 0; times < 3; times++) await mesh.refresh();
  expect(mesh.feedOf('b')).toBe(second);
  expect(others.every(({ ended }) => ended)).toBe(true);
  isThere = false;
  await mesh.refresh();
  expect(mesh.things).toContainEqual(expect.objectContaining({ id: 'b', unseen: 'no manager answers' }));
});

it('a manager that is stopped is one line, whoever says so first', async () => {
  const [first, second] = [new Feed('a'), new Feed('b')];
  first.managers = [manager('a'), manager('b')];
  await using mesh = new LiveMesh({ feeds: [first, second], feedOf: () => 'not asked' });
  await mesh.refresh();
  second.look = () => Promise.reject(new Error('no manager answers'));
  await mesh.refresh();
  expect(mesh.changes).toEqual([]);
  first.managers = [manager('a'), manager('b', { alive: false, stopped: true })];
  for (let look = 0; look < 2; look++) await mesh.refresh();
  expect(mesh.changes.map(({ who, what }) => `${who} ${what}`)).toEqual(['node b stopped']);
});

it('why a request cannot be explained is an answer', async () => {
  const feed = new Feed('a');
  feed.explain = () => {
    throw new NsmError('no-endpoint', 'no endpoint provides network service "x"');
  };
  await using mesh = new LiveMesh({ feeds: [feed], feedOf: () => 'not asked' });
  await mesh.refresh();
  const request = { service: 'x', interfaceKind: 'kernel', from: '' };
  expect(await mesh.explain('a', request)).toEqual({
    problems: [{ code: expect.stringMatching(/^NSM/), what: 'no endpoint provides network service "x"' }],
    candidates: [],
  });
  expect(await mesh.explain('nowhere', request)).toMatchObject({
    problems: [{ what: expect.stringContaining('not asked') }],
  });
});

describe('managers that others tell of', () => {
  let mesh: LiveMesh;
  afterEach(async () => await mesh?.[Symbol.asyncDispose]());

  const first = new Feed('a');
  const others: Feed[] = [];
  const source: MeshSource = {
    feeds: [first],
    feedOf: ({ name, address }) => {
      if (name === 'c') return 'no certificate';
      others.push(new Feed(name, address));
      return others.at(-1) as Feed;
    },
  };
  const nodes = async (): Promise<string[]> => {
    for (let look = 0; look < 2; look++) await mesh.refresh();
    return mesh.things
      .filter((thing): thing is MeshNode => thing.kind === 'node')
      .map(({ id, state, unseen }) => `${id} ${state} ${unseen}`.trim());
  };

  it('are asked while they are there, at the address that they have', async () => {
    first.managers = [manager('a'), manager('b'), manager('c')];
    mesh = new LiveMesh(source);
    expect(await nodes()).toEqual(['a ALIVE', 'b ALIVE', 'c ALIVE no certificate']);
    first.managers = [manager('a'), manager('b', { address: 'b:5002' })];
    expect(await nodes()).toEqual(['a ALIVE', 'b ALIVE']);
    expect(others.map(({ where, ended }) => [where, ended])).toEqual([
      ['b:5001', true],
      ['b:5002', false],
    ]);
    first.managers = [manager('a'), manager('b', { address: 'b:5002', alive: false, stopped: true })];
    expect(await nodes()).toEqual(['a ALIVE', 'b STOPPED it was stopped']);
    first.managers = [manager('a'), manager('b', { address: 'b:5002' })];
    expect(await nodes()).toEqual(['a ALIVE', 'b ALIVE']);
    expect(others).toHaveLength(3);
    first.managers = [manager('a')];
    expect(await nodes()).toEqual(['a ALIVE']);
    expect(others.every(({ ended }) => ended)).toBe(true);
  });
});
