// A local copy of the objects of one kind, kept current by a watch.

import { pause } from '@nsm/api';
import type { KubeClient, Selection } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { type KubeLogger, silentLogger } from './kube-logger.js';
import { fullName, type KubeObject, keyOf, type Resource } from './kube-object.js';

export type InformerEvent<T extends KubeObject> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'changed'; readonly object: T; readonly before: T }
  /** The last that was known of it. */
  | { readonly type: 'deleted'; readonly object: T }
  /** The copy is complete and current: for the first time, or again, after an outage or a new list. */
  | { readonly type: 'synced' }
  /** The API server cannot be asked; the copy stays as it is. */
  | { readonly type: 'away'; readonly error: Error };

export type InformerListener<T extends KubeObject> = (event: InformerEvent<T>) => void;

export interface InformerOptions<T extends KubeObject> extends Selection {
  /**
   * What is kept of an object, of which `before` is known: memory of a daemon is for what it uses. Default: all but
   * `metadata.managedFields`.
   */
  readonly keep?: (object: T, before: T | undefined) => T;
  /** Default: nothing is logged. */
  readonly logger?: KubeLogger;
  /** Pause before the next attempt, milliseconds: doubles from first to last. Default: 100 to 10000. */
  readonly pause?: { readonly first: number; readonly last: number };
  /** Seconds after which the server ends a watch; up to twice that by chance. Default: 300, as client-go. */
  readonly watchSeconds?: number;
}

/** A watch that ends sooner, without an event, counts as a failure: it would be asked for without a pause. Milliseconds. */
const shortWatchMs = 1000;

/**
 * Lists, then watches from there. A watch that ends goes on from the last version that was seen; a version that the server has
 * forgotten (410), and a kind that it does not know any more (404), mean a new list. Listeners hear of real changes only.
 */
export class Informer<T extends KubeObject> {
  readonly #client: KubeClient;
  readonly #resource: Resource<T>;
  readonly #selection: Selection;
  readonly #keep: (object: T, before: T | undefined) => T;
  readonly #logger: KubeLogger;
  readonly #pause: { readonly first: number; readonly last: number };
  readonly #watchSeconds: number;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<{ readonly listener: InformerListener<T> }>();
  readonly #stopped = new AbortController();
  /** From which the next watch goes on; undefined: a list has to come first. */
  #version: string | undefined;
  /** The connection broke: the server that answers next may have been set back to an older state. */
  #doubtful = false;
  #synced = false;
  /** One outage is told once. */
  #said = false;
  #following: Promise<void> | undefined;

  constructor(client: KubeClient, resource: Resource<T>, options: InformerOptions<T> = {}) {
    this.#client = client;
    this.#resource = resource;
    const {
      keep = withoutManagedFields,
      logger = silentLogger,
      pause,
      watchSeconds = 300,
      ...selection
    } = options;
    this.#selection = selection;
    this.#keep = keep;
    this.#logger = logger;
    this.#pause = pause ?? { first: 100, last: 10_000 };
    this.#watchSeconds = watchSeconds;
  }

  /** True while the copy is complete and the API server answers. */
  get synced(): boolean {
    return this.#synced;
  }

  /** By `NAMESPACE/NAME`, or `NAME`. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Begins to list and watch. Never throws: a server that cannot be reached is tried again for ever. */
  start(): void {
    this.#following ??= this.#follow();
  }

  /** The copy stays; nobody is told anything any more. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#listeners.clear();
    await this.#following;
    this.#synced = false;
  }

  /** Calls `listener` with everything present (before this returns), `synced` if it is so, and then every change. */
  watch(listener: InformerListener<T>): Disposable {
    const entry = { listener };
    for (const object of [...this.#objects.values()]) this.#tellOne(entry, { type: 'added', object });
    if (this.#synced) this.#tellOne(entry, { type: 'synced' });
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => this.#listeners.delete(entry) };
  }

  /** Resolves with true when the copy is complete, and with false after `patienceMs` or at the end. */
  whenSynced(patienceMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        watch[Symbol.dispose]();
        this.#stopped.signal.removeEventListener('abort', done);
        resolve(this.#synced);
      };
      const timer = setTimeout(done, patienceMs);
      this.#stopped.signal.addEventListener('abort', done);
      const watch = this.watch(({ type }) => {
        if (type === 'synced') queueMicrotask(done);
      });
    });
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    let wait = this.#pause.first;
    while (!signal.aborted) {
      const began = performance.now();
      let heard = false;
      try {
        await this.#once(() => {
          heard = true;
          wait = this.#pause.first;
        });
        if (heard || performance.now() - began > shortWatchMs) continue;
      } catch (thrown) {
        if (signal.aborted || (thrown instanceof KubeError && thrown.reason === 'Stopped')) break;
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        const status = error instanceof KubeError ? error.status : 0;
        // Of a version that is too old the server is there: one list, and all is well.
        if (status === 410 || status === 404) this.#version = undefined;
        if (status !== 410) this.#lose(error);
        this.#doubtful ||= status === 0;
        wait = Math.max(wait, error instanceof KubeError ? error.retryAfterMs : 0);
      }
      // Half of it is chance, so that the managers of a restarted API server do not come all at once.
      await pause(wait * (0.5 + Math.random() / 2), signal);
      wait = Math.min(Math.max(wait * 2, this.#pause.first), this.#pause.last);
    }
  }

  /** One list, where it is needed, and one watch, until its end. */
  async #once(heard: () => void): Promise<void> {
    const { signal } = this.#stopped;
    if (this.#version !== undefined && this.#doubtful) {
      const now = await this.#client.versionOf(this.#resource, this.#selection, { signal });
      if (isOlder(now, this.#version)) this.#version = undefined;
    }
    this.#doubtful = false;
    const lists = this.#version === undefined;
    this.#version ??= await this.#list(signal);
    const watching = {
      ...this.#selection,
      resourceVersion: this.#version,
      timeoutSeconds: Math.ceil(this.#watchSeconds * (1 + Math.random())),
    };
    const events = await this.#client.watch(this.#resource, watching, signal);
    this.#found(lists);
    for await (const { type, object } of events) {
      if (type === 'DELETED') this.#remove(object);
      else if (type !== 'BOOKMARK') this.#put(object);
      this.#version = object.metadata.resourceVersion ?? this.#version;
      heard();
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const present = new Set<string>();
    const version = await this.#client.list(
      this.#resource,
      this.#selection,
      (items) => {
        for (const object of items) {
          present.add(keyOf(object));
          this.#put(object);
        }
      },
      { signal },
    );
    for (const [key, object] of [...this.#objects]) if (!present.has(key)) this.#remove(object);
    return version;
  }

  #put(object: T): void {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before && before.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const kept = this.#keep(object, before);
    this.#objects.set(key, kept);
    this.#tell(before ? { type: 'changed', object: kept, before } : { type: 'added', object: kept });
  }

  #remove(object: T): void {
    const known = this.#objects.get(keyOf(object));
    if (!known) return;
    this.#objects.delete(keyOf(object));
    this.#tell({ type: 'deleted', object: known });
  }

  /** @param listed all of it: what a watch has missed may have been in it, and is told to be complete once more. */
  #found(listed: boolean): void {
    if ((this.#synced && !listed) || this.#stopped.signal.aborted) return;
    this.#synced = true;
    if (this.#said) this.#logger.info({ resource: fullName(this.#resource) }, 'the Kubernetes API is back');
    this.#said = false;
    this.#tell({ type: 'synced' });
  }

  #lose(error: Error): void {
    if (!this.#said)
      this.#logger.warn(
        { resource: fullName(this.#resource), err: error },
        'the Kubernetes API does not answer',
      );
    this.#said = true;
    if (!this.#synced) return;
    this.#synced = false;
    this.#tell({ type: 'away', error });
  }

  #tell(event: InformerEvent<T>): void {
    for (const entry of [...this.#listeners]) this.#tellOne(entry, event);
  }

  /** A listener's failure is its own: neither the copy nor the other listeners suffer. */
  #tellOne({ listener }: { readonly listener: InformerListener<T> }, event: InformerEvent<T>): void {
    try {
      listener(event);
    } catch (error) {
      this.#logger.warn(
        { resource: fullName(this.#resource), err: error },
        'a listener of Kubernetes objects failed',
      );
    }
  }
}

/** Managed fields are often more than half of an object, and for the API server alone. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Versions are comparable as numbers: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
function isOlder(version: string, than: string): boolean {
  return /^\d+$/.test(version) && /^\d+$/.test(than) && BigInt(version) < BigInt(than);
}
