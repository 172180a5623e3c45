// The mesh as it is now, for those who look: managers are followed, and asked for counters only while somebody looks.
import { NsmError } from '@nsm/api';
import type { ExplainedRequest, ManagerFeed, MeshSource } from '../manager-feed.js';
import type {
  Change,
  Compared,
  Counters,
  Explanation,
  MeshConnection,
  Patch,
  Sample,
  Thing,
} from '../model.js';
import { changesBetween, pastOf } from './changes-between.js';
import { FollowedManager } from './followed-manager.js';
import { meshThings, type Told } from './mesh-things.js';
import { TimeLine } from './time-line.js';

/** Milliseconds between two looks at everything, counters among it. */
const lookMs = 1000;
/** Where a look takes long, the next waits for so many times as long: a page has a tenth of a manager's time at most. */
const restTimes = 10;
/** Milliseconds of the longest such rest: a manager that hangs must not keep the others from being looked at. */
const longestRestMs = 5000;
/** Milliseconds between two measurements of round trips, while somebody looks. */
const roundTripsMs = 15_000;
/** Milliseconds between two looks while nobody watches: so that nodes that come are found. */
const idleLookMs = 30_000;
/** Milliseconds in which changes are gathered before they are told. */
const gatherMs = 50;
/** Samples that are kept of each connection. */
const mostSamples = 120;

export class LiveMesh implements AsyncDisposable {
  readonly #source: MeshSource;
  readonly #followed: FollowedManager[];
  /** Those of them that others have told of, by name, each with the address at which it is asked. */
  readonly #others = new Map<string, { readonly address: string; readonly manager: FollowedManager }>();
  /** Why managers are not asked, by name. */
  readonly #unasked = new Map<string, string>();
  readonly #patched = new Set<(patch: Patch) => void>();
  readonly #watchers = new Set<(sample: Sample) => void>();
  #things: Map<string, Thing> = new Map();
  readonly #timeLine = new TimeLine({
    onHeld: () => void this.refresh(),
    onLate: (change) => this.#tell({ put: [], gone: [], changes: [change] }),
  });
  #begun = false;
  readonly #samples: Sample[] = [];
  #gathering: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(source: MeshSource) {
    this.#source = source;
    this.#followed = source.feeds.map((feed) => this.#follow(feed, ''));
    this.#timer = setInterval(() => void this.#tick(), lookMs);
  }

  get things(): readonly Thing[] {
    return [...this.#things.values()];
  }

  get changes(): readonly Change[] {
    return this.#timeLine.changes;
  }

  /** What stands in the way of seeing anything at all: managers that have never answered. */
  get troubles(): readonly string[] {
    return this.#followed.map(({ unknown }) => unknown).filter((text) => text !== '');
  }

  /** Counters of the last minutes in which somebody looked. */
  seriesOf(id: string): { readonly at: number; readonly counters: Counters }[] {
    return this.#samples.flatMap(({ at, counters }) => {
      const own = counters[id];
      return own ? [{ at, counters: own }] : [];
    });
  }

  /** The feed of a manager by its name; undefined where it is not asked. */
  feedOf(name: string): ManagerFeed | undefined {
    return this.#followed.find(({ told }) => told?.name === name)?.feed;
  }

  /**
   * A half of a connection whose manager is asked by its own socket.
   * @throws NsmError `not-found`, or `privilege` when both halves are on other nodes.
   */
  localHalfOf(id: string): { readonly half: MeshConnection['halves'][number]; readonly feed: ManagerFeed } {
    for (const half of this.#connection(id).halves) {
      const feed = this.feedOf(half.node);
      if (feed?.isLocal) return { half, feed };
    }
    throw notLocal();
  }

  /** Looks at the kernels of both nodes. @throws NsmError `not-found` */
  async compare(id: string): Promise<Compared[]> {
    const { halves } = this.#connection(id);
    const asked = halves.map(async ({ id: half, node }): Promise<Compared> => {
      try {
        const compared = await this.feedOf(node)?.compare(half);
        if (!compared) throw new NsmError('not-found', 'the manager of that node is not asked');
        return { node, error: '', ...compared };
      } catch (error) {
        return { node, differences: [], error: NsmError.from(error).message, roundTripUs: null };
      }
    });
    return await Promise.all(asked);
  }

  /** What a request would come to; why that cannot be told is an answer, too. */
  async explain(node: string, request: ExplainedRequest): Promise<Explanation> {
    try {
      const feed = this.feedOf(node);
      if (!feed) throw new NsmError('not-found', 'the manager of that node is not asked');
      return await feed.explain(request);
    } catch (thrown) {
      const { code, message: what } = NsmError.from(thrown);
      return { problems: [{ code, what }], candidates: [] };
    }
  }

  onPatch(listener: (patch: Patch) => void): Disposable {
    this.#patched.add(listener);
    return { [Symbol.dispose]: () => void this.#patched.delete(listener) };
  }

  /** Managers are asked for counters, each second, while there is somebody who watches. */
  watch(watcher: (sample: Sample) => void): Disposable {
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) void this.#tick();
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  /** Resolves when every manager has been asked once more. @param roundTrips whether they are measured. */
  async refresh(roundTrips: boolean = false): Promise<void> {
    await Promise.all(this.#followed.map((manager) => manager.look(roundTrips)));
    this.#compare();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#timeLine[Symbol.dispose]();
    await Promise.all(this.#followed.map((manager) => manager[Symbol.asyncDispose]()));
  }

  #connection(id: string): MeshConnection {
    const connection = this.#things.get(`connection/${id}`);
    if (connection?.kind !== 'connection') throw new NsmError('not-found', 'there is no such connection');
    return connection;
  }

  #follow(feed: ManagerFeed, name: string): FollowedManager {
    return new FollowedManager(feed, name, () => {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined;
        this.#compare();
      }, gatherMs);
    });
  }

  async #tick(): Promise<void> {
    const watched = this.#watchers.size > 0;
    const sinceMs = performance.now() - this.#lookedAt;
    const restMs = Math.min(longestRestMs, restTimes * this.#tookMs);
    if (sinceMs < Math.max(restMs, watched ? lookMs / 2 : idleLookMs)) return;
    this.#lookedAt = performance.now();
    const measure = watched && performance.now() - this.#measuredAt > roundTripsMs;
    if (measure) this.#measuredAt = performance.now();
    await this.refresh(measure);
    this.#tookMs = performance.now() - this.#lookedAt;
    if (!watched) return;
    const sample: Sample = { at: Date.now(), counters: this.#counters() };
    this.#samples.push(sample);
    if (this.#samples.length > mostSamples) this.#samples.shift();
    for (const watcher of this.#watchers) watcher(sample);
  }

  /** By the id under which a connection is shown: of a connection with two halves the client's half counts. */
  #counters(): Record<string, Counters> {
    const counted = new Map(this.#followed.flatMap(({ counters }) => counters));
    return Object.fromEntries(
      this.things.flatMap((thing) => {
        const own = thing.kind === 'connection' && counted.get(thing.id);
        return own ? [[thing.id, own]] : [];
      }),
    );
  }

  #compare(): void {
    const told = this.#followed.map(({ told }) => told).filter((one) => one !== undefined);
    this.#followOthers(told);
    const things = meshThings(told, this.#unasked);
    const { put, gone, changes } = changesBetween(this.#things, things, new Date().toISOString());
    this.#things = things;
    const noted = this.#timeLine.add(this.#begun ? changes : this.#begin());
    if (put.length + gone.length + noted.length > 0) this.#tell({ put, gone, changes: noted });
  }

  #tell(patch: Patch): void {
    for (const listener of this.#patched) listener(patch);
  }

  /** What was there when this began has not changed; the past of connections is what they tell of it. */
  #begin(): readonly Omit<Change, 'id'>[] {
    if (!this.#followed.every(({ wasAsked }) => wasAsked)) return [];
    this.#begun = true;
    return pastOf(this.#things.values());
  }

  /** Managers that others tell of: they come, leave, and come back at another address. */
  #followOthers(told: readonly Told[]): void {
    const answering = told.filter(({ silent }) => silent === '');
    // Until all that were named have been asked, others may be among them.
    if (answering.length === 0 || !this.#followed.every(({ wasAsked }) => wasAsked)) return;
    const managers = new Map(answering.flatMap(({ managers }) => managers.map((one) => [one.name, one])));
    for (const [name, { address, manager }] of this.#others) {
      const now = managers.get(name);
      const isNamed = told.filter((one) => one.name === name).length > 1;
      // A manager that ended without a word is asked on: the manager that tells so may not have heard of its return.
      if (now && !now.stopped && now.address === address && !isNamed) continue;
      this.#others.delete(name);
      this.#followed.splice(this.#followed.indexOf(manager), 1);
      if (!isNamed) this.#unasked.set(name, 'it was stopped');
      void manager[Symbol.asyncDispose]();
    }
    const followed = new Set([...told.map(({ name }) => name), ...this.#others.keys()]);
    for (const manager of managers.values()) {
      const { name, address, alive } = manager;
      if (!alive || (followed.has(name) && !this.#unasked.has(name))) continue;
      const feed = this.#source.feedOf(manager);
      if (typeof feed === 'string') {
        this.#unasked.set(name, feed);
        continue;
      }
      this.#unasked.delete(name);
      const other = this.#follow(feed, name);
      this.#others.set(name, { address, manager: other });
      this.#followed.push(other);
    }
  }
}

export function notLocal(): NsmError {
  return new NsmError('privilege', 'this is for the node itself, whose admin.sock this page is not asking');
}
