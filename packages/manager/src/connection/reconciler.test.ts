// The lives of connections with a forwarder, an other manager, endpoints and a clock that are the test's own: what each step does to
// them, and what is left after any sequence of events. The net tests show the same on real interfaces.
import { create } from '@bufbuild/protobuf';
import { InterfaceType, NsmError, SubjectSchema } from '@nsm/api';
import { Courses } from '@nsm/observe';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../clock.js';
import type { Admitted } from '../request/attempt.js';
import { type Connection, stateOf } from '../state/connection.js';
import { ConnectionTable } from '../state/connection-table.js';
import type { Store } from '../state/store.js';
import { ConnectionActs } from './acts.js';
import type { ActsComponents } from './components.js';
import { noteLoss } from './facts.js';
import type { ConnectOrder } from './orders.js';
import { Reconciler } from './reconciler.js';
import { timing } from './timing.js';

/** What others take for an answer. */
function aWhile(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets everything run that waits for nothing but others: no step asks them so often. */
async function turn(): Promise<void> {
  for (let n = 0; n < 40; n++) await aWhile();
}

class TestClock implements Clock {
  #now = 1000;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, call: () => void): () => void {
    const timer = { at: this.#now + delayMs, call };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
      signal.addEventListener('abort', () => resolve());
    });
  }

  /** Time passes, and what was to happen meanwhile does. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      await turn();
      const [next] = [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = until;
  }
}

/** A node with one service, whose endpoints are on other nodes. */
class TestNode {
  readonly clock = new TestClock();
  readonly stopping = new AbortController();
  /** What is in the kernel, by id. */
  readonly programmed = new Set<string>();
  readonly identifiers = new Set<number>();
  /** What the other manager was told. */
  readonly told: string[] = [];
  readonly done: string[] = [];
  /** Orders that have ended, and how. */
  readonly ended: string[] = [];
  forwarderAway = false;
  peerSilent = false;
  endpoints = 1;
  broken = false;
  #atWork = 0;
  readonly table: ConnectionTable;
  readonly reconciler: Reconciler;

  constructor() {
    const store = {
      histories: { entries: () => [], put: () => undefined },
      putConnectionSoon: () => undefined,
      putConnection: async () => undefined,
      removeConnection: async () => undefined,
    } as unknown as Store;
    this.table = new ConnectionTable(store, () => this.clock.now());
    const acts = new ConnectionActs(this.#components());
    const watched: Pick<ConnectionActs, 'take' | 'serve'> = {
      take: (step, ...rest) => this.#alone(step.do, () => acts.take(step, ...rest)),
      serve: (service, ...rest) => this.#alone(service, () => acts.serve(service, ...rest)),
    };
    const logger = { warn: () => undefined, error: () => undefined };
    const courses = new Courses(() => this.clock.now());
    courses.onEnd(({ kind, subject: { cause = '' }, error }) => {
      this.ended.push([kind, cause, error?.kind ?? 'well'].filter((part) => part !== '').join(' '));
    });
    this.reconciler = new Reconciler({
      table: this.table,
      acts: watched,
      clock: this.clock,
      courses,
      logger,
      stopping: this.stopping.signal,
    });
  }

  request(fingerprint = 'as asked'): Promise<Connection | undefined> {
    const order: ConnectOrder = {
      kind: 'connect',
      fingerprint,
      signal: new AbortController().signal,
      make: (_interrupted, beside) =>
        this.#establish({
          fingerprint,
          generation: this.table.nextGeneration('service/pod'),
          ...(beside ? { beside } : {}),
        } as Admitted),
    };
    return this.reconciler.order('service/pod', order);
  }

  close(): Promise<unknown> {
    return this.reconciler.order('service/pod', {
      kind: 'close',
      reason: 'closed by the client',
      tell: 'peer',
    });
  }

  lose(): void {
    for (const { id, phase } of this.table.values())
      if (phase.kind !== 'LOST' && phase.kind !== 'DETACHING')
        void this.reconciler.mark(id, (facts) => {
          noteLoss(facts, 'endpoint', 'endpoint gone');
        });
  }

  compare(): void {
    for (const { id } of this.table.values())
      void this.reconciler.mark(id, (facts) => {
        facts.compare = { reason: 'changed', answerWithinMs: 0 };
      });
  }

  silent(elsewhere: boolean): void {
    for (const { id } of this.table.values())
      void this.reconciler.mark(id, (facts) => {
        facts.pathFailure = { reason: 'no packets come back', avoid: () => false, elsewhere };
      });
  }

  heard(): void {
    for (const { id } of this.table.values())
      void this.reconciler.mark(id, (facts) => {
        facts.heard = true;
      });
  }

  get states(): string[] {
    return [...this.table.values()].map(stateOf);
  }

  async #alone<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.done.push(what);
    this.#atWork++;
    try {
      expect(this.#atWork, 'steps of one key at the same time').toBe(1);
      return await work();
    } finally {
      this.#atWork--;
    }
  }

  #reach(): void {
    if (this.forwarderAway) throw new NsmError('unavailable', 'the forwarder does not answer');
  }

  async #establish({ fingerprint, generation, beside }: Admitted): Promise<Connection> {
    await aWhile();
    this.#reach();
    if (this.endpoints === 0) throw new NsmError('no-endpoint', 'no endpoint');
    const id = `node:1-${generation}`;
    const identifier = Math.max(0, ...this.identifiers) + 1;
    this.identifiers.add(identifier);
    this.programmed.add(id);
    const connection = {
      id,
      key: 'service/pod',
      role: 'CLIENT',
      requestId: 'pod',
      service: 'service',
      fingerprint,
      generation,
      owner: { namespace: 1 },
      request: {},
      endpoint: { name: 'one', namespace: '' },
      peer: { manager: 'other', address: '10.9.0.2:5001', connectionId: id },
      interface: { type: InterfaceType.KERNEL_INTERFACE },
      clientParameters: { interfaceName: 'nsm0', addresses: [], peerAddresses: [], route: [] },
      endpointParameters: { addresses: [], peerAddresses: [], route: [] },
      pairs: [],
      tunnel: { type: 1, identifier },
      crossConnect: {
        id,
        client: { type: InterfaceType.KERNEL_INTERFACE, namespace: { inode: 1, cookie: 1n } },
      },
      intent: { kind: 'connected' },
      phase: { kind: 'CONNECTING' },
      since: 0,
      ...(beside ? { replaces: { id: beside.id, interfaceName: 'nsm0' } } : {}),
    } as unknown as Connection;
    await this.table.put(connection);
    await aWhile();
    return this.table.change(connection, { phase: { kind: 'UP' } });
  }

  #components(): ActsComponents {
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const forwarder = {
      apply: async (crossConnect: { readonly id: string }) => {
        await aWhile();
        this.#reach();
        if (this.broken) throw new NsmError('dataplane', 'the kernel refuses');
        this.programmed.add(crossConnect.id);
        return { ...crossConnect, mended: [] };
      },
      remove: async ({ crossConnects }: { readonly crossConnects: readonly { readonly id: string }[] }) => {
        await aWhile();
        this.#reach();
        for (const { id } of crossConnects) this.programmed.delete(id);
      },
      inspectNamespace: async () => ({ namespace: { inode: 1, cookie: 1n } }),
    };
    const peers = {
      close: async (_: unknown, { reason }: { readonly reason: string }) => {
        await aWhile();
        if (this.peerSilent) throw new NsmError('unavailable', 'no answer');
        this.told.push(reason);
      },
    };
    return {
      self: { name: 'node' },
      connections: this.table,
      forwarder,
      peers,
      registry: { managers: () => new Map([['other', {}]]) },
      endpoints: { close: async () => undefined },
      guard: { forget: () => undefined },
      pools: { release: () => undefined },
      identifiers: { release: (identifier: number) => void this.identifiers.delete(identifier) },
      owners: { letGo: () => undefined },
      logger,
      stopping: this.stopping.signal,
      clock: this.clock,
      establish: (admitted: Admitted) => this.#establish(admitted),
      clientOf: () => create(SubjectSchema),
      pathFailureOf: () => ({
        reason: 'no packets come back',
        avoid: () => false,
        elsewhere: this.endpoints > 1,
      }),
      logThrottle: { isNews: () => true },
      requestTimeoutMs: 10_000,
    } as unknown as ActsComponents;
  }
}

describe('the life of a connection', () => {
  it('begins at once, and ends with nothing left', async () => {
    const node = new TestNode();
    const asked = node.request();
    expect(node.done).toEqual(['make']);
    expect((await asked)?.phase).toEqual({ kind: 'UP' });
    await node.close();
    expect([node.table.size, node.programmed.size, node.identifiers.size]).toEqual([0, 0, 0]);
    expect(node.told).toEqual(['closed by the client']);
  });

  it('is the same for the same request, however many ask at the same time', async () => {
    const node = new TestNode();
    const asked = await Promise.all([node.request(), node.request(), node.request()]);
    expect(new Set(asked.map((one) => one?.id)).size).toBe(1);
    expect(node.done).toEqual(['make', 'confirm', 'confirm']);
  });

  it('goes on beside another until a changed request is carried', async () => {
    const node = new TestNode();
    await node.request();
    const changed = await node.request('changed');
    expect(changed).toMatchObject({ id: 'node:1-2', fingerprint: 'changed' });
    expect(node.programmed).toEqual(new Set(['node:1-2']));
    expect(node.states).toEqual(['UP']);
  });

  it('heals at once, and tries again less and less often', async () => {
    const node = new TestNode();
    await node.request();
    node.endpoints = 0;
    node.lose();
    await node.clock.pass(10_000);
    expect(node.states).toEqual(['FAILED']);
    const tries = node.done.filter((what) => what === 'reconnect').length;
    expect(tries).toBeGreaterThan(6);
    expect(tries).toBeLessThan(14);
    node.endpoints = 1;
    await node.clock.pass(timing.reconnect.longestMs);
    expect(node.states).toEqual(['UP']);
  });

  it('heals once, however many losses are told of', async () => {
    const node = new TestNode();
    await node.request();
    for (let n = 0; n < 100; n++) node.lose();
    await node.clock.pass(1000);
    expect(node.states).toEqual(['UP']);
    expect(node.done).toEqual(['make', 'detach', 'reconnect']);
  });

  it('is healed by one order from the loss until packets pass, however many attempts fail', async () => {
    const node = new TestNode();
    const { id } = (await node.request())!;
    node.endpoints = 0;
    node.lose();
    await node.clock.pass(5000);
    expect(node.ended).toEqual(['connect well']);
    const heal = node.table.histories.courseOf(id);
    expect(heal).toMatchObject({ kind: 'heal', isOver: false });
    expect(heal?.list.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['remove the interface', 'tell the other manager', 'look up the client']),
    );
    node.endpoints = 1;
    await node.clock.pass(timing.reconnect.longestMs);
    expect(node.ended).toEqual(['connect well', 'heal endpoint well']);
    expect(heal?.durationMs).toBeGreaterThan(5000);
    node.silent(false);
    await turn();
    node.heard();
    await turn();
    expect(node.ended.slice(2)).toEqual(['heal packets well']);
  });

  it('that is closed while it is healed is not healed, but closed', async () => {
    const node = new TestNode();
    await node.request();
    node.endpoints = 0;
    node.lose();
    await node.clock.pass(1000);
    await node.close();
    expect(node.ended).toEqual(['connect well', 'heal endpoint cancelled', 'close well']);
  });

  it('is left to the next start when its end is heard of while the manager stops', async () => {
    const node = new TestNode();
    const connection = await node.request();
    node.stopping.abort();
    node.reconciler.end(connection?.id ?? '', 'the process that asked for it has ended');
    await node.clock.pass(1000);
    expect([node.states, node.done, node.programmed.size]).toEqual([['UP'], ['make'], 1]);
  });

  it('is looked at once when the forwarder is back, however often it was marked while that was away', async () => {
    const node = new TestNode();
    await node.request();
    node.forwarderAway = true;
    for (let n = 0; n < 1000; n++) node.compare();
    await node.clock.pass(1000);
    expect(node.done.filter((what) => what === 'compare').length).toBeLessThan(5);
    expect(node.states).toEqual(['UP']);
  });

  it('is remembered until the other manager has heard of its end', async () => {
    const node = new TestNode();
    await node.request();
    node.peerSilent = true;
    await node.close();
    expect(node.states).toEqual(['CLOSING']);
    expect(node.programmed.size).toBe(0);
    node.peerSilent = false;
    await node.clock.pass(timing.tell.longestMs);
    expect([node.table.size, node.told]).toEqual([0, ['closed by the client']]);
  });

  it('waits for packets where nobody else can take its client, and is up again when they come back', async () => {
    const node = new TestNode();
    const { id } = (await node.request())!;
    node.silent(false);
    await turn();
    expect(node.states).toEqual(['HEALING']);
    node.heard();
    await turn();
    expect([node.states, node.table.byId(id)?.generation]).toEqual([['UP'], 1]);
  });

  it('moves away from a silent node where another can take its client', async () => {
    const node = new TestNode();
    await node.request();
    node.silent(true);
    await node.clock.pass(1000);
    expect([node.states, node.programmed]).toEqual([['UP'], new Set(['node:1-2'])]);
  });

  it('is closed in the middle of healing without waiting for that', async () => {
    const node = new TestNode();
    await node.request();
    node.endpoints = 0;
    node.lose();
    await node.clock.pass(300);
    await node.close();
    expect([node.table.size, node.programmed.size, node.identifiers.size]).toEqual([0, 0, 0]);
  });

  const events = [
    'request',
    'request otherwise',
    'close',
    'lose',
    'compare',
    'silent',
    'silent here',
    'heard',
    'forwarder away',
    'forwarder back',
    'peer silent',
    'peer answers',
    'no endpoint',
    'two endpoints',
    'kernel refuses',
    'kernel takes',
    'time passes',
  ] as const;

  it('ends as the last who asked wanted it, and nothing is left behind, whatever happens in which order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...events), { maxLength: 30 }), async (sequence) => {
        const node = new TestNode();
        const orders: Promise<unknown>[] = [];
        const does: Record<(typeof events)[number], () => unknown> = {
          request: () => orders.push(node.request()),
          'request otherwise': () => orders.push(node.request('otherwise')),
          close: () => orders.push(node.close()),
          lose: () => node.lose(),
          compare: () => node.compare(),
          silent: () => node.silent(true),
          'silent here': () => node.silent(false),
          heard: () => node.heard(),
          'forwarder away': () => (node.forwarderAway = true),
          'forwarder back': () => (node.forwarderAway = false),
          'peer silent': () => (node.peerSilent = true),
          'peer answers': () => (node.peerSilent = false),
          'no endpoint': () => (node.endpoints = 0),
          'two endpoints': () => (node.endpoints = 2),
          'kernel refuses': () => (node.broken = true),
          'kernel takes': () => (node.broken = false),
          'time passes': () => node.clock.pass(40),
        };
        for (const event of sequence) {
          await does[event]();
          for (const order of orders) order.catch(() => undefined);
        }
        Object.assign(node, { forwarderAway: false, peerSilent: false, endpoints: 1, broken: false });
        await node.clock.pass(120_000);
        node.heard();
        await node.clock.pass(120_000);
        const settled = await Promise.race([
          Promise.allSettled(orders).then(() => true),
          turn().then(() => false),
        ]);
        expect(settled, 'every order is answered').toBe(true);
        for (const state of node.states) expect(state).toBe('UP');
        expect(node.table.size).toBeLessThanOrEqual(1);
        expect(node.programmed).toEqual(new Set([...node.table.values()].map(({ id }) => id)));
        expect(node.identifiers.size).toBe(node.table.size);
        const asked = sequence.findLast((event) => event === 'close' || event.startsWith('request'));
        if (asked === 'close' || asked === undefined) expect(node.table.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
