// The verbs of the Kubernetes API: https://kubernetes.io/docs/reference/using-api/api-concepts/
import { type ClientHttp2Stream, constants } from 'node:http2';
import { ApiCalls, type Asked, type CallOptions } from './api-calls.js';
import type { ApiConnectionOptions } from './api-connection.js';
import type { KubeConfig } from './kube-config.js';
import { KubeError } from './kube-error.js';
import { apiVersionOf, fullName, type KubeObject, pathOf, type Resource } from './kube-object.js';
import { linesOf } from './read-stream.js';

export interface ObjectRef {
  readonly name: string;
  /** Of namespaced kinds. */
  readonly namespace?: string;
}

/** Which objects of a kind. */
export interface Selection {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface PatchOptions extends CallOptions {
  readonly subresource?: 'status' | 'approval';
}

export interface ApplyOptions extends PatchOptions {
  /** Take fields over that others have written. Default: true, as controllers do. */
  readonly force?: boolean;
  /** Default: that of the client. */
  readonly fieldManager?: string;
}

export interface DeleteOptions extends CallOptions {
  /** Only this very object, or this very version of it: else `Conflict`. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Only says how far the watch is. */
  | { readonly type: 'BOOKMARK'; readonly object: KubeObject };

export interface KubeClientOptions extends ApiConnectionOptions {
  /** Who writes, for server-side apply. Default: `nsm`. */
  readonly fieldManager?: string;
  /** As the API server logs it. Default: `nsm`. */
  readonly userAgent?: string;
}

interface List<T extends KubeObject> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

/**
 * All methods throw `KubeError`, whose `status` and `reason` are the API's, or what an aborted signal says. No call is repeated
 * here that may have been carried out: who calls knows whether that does harm.
 */
export class KubeClient {
  readonly config: KubeConfig;
  readonly #calls: ApiCalls;
  readonly #fieldManager: string;

  /** Opens nothing yet: the first call does. */
  constructor(config: KubeConfig, options: KubeClientOptions = {}) {
    this.config = config;
    this.#calls = new ApiCalls(config, options.userAgent ?? 'nsm', options);
    this.#fieldManager = options.fieldManager ?? 'nsm';
  }

  /** Ends watches and calls under way, for good. */
  stop(): void {
    this.#calls.close();
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T> {
    return await this.#calls.json<T>(about('get', 'GET', resource, ref), options);
  }

  /**
   * Page by page, each as it comes: nobody holds thousands of objects twice.
   * @returns the version from which a watch goes on.
   * @throws KubeError of status 410 when the pages took so long that the list has changed too much.
   */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection,
    page: (items: readonly T[]) => void,
    options: CallOptions = {},
  ): Promise<string> {
    let from = '';
    for (;;) {
      const list = await this.#page(resource, selection, 500, from, options);
      page(list.items);
      from = list.metadata.continue ?? '';
      if (from === '') return list.metadata.resourceVersion;
    }
  }

  /** Version of the whole list as it is now. */
  async versionOf<T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection,
    options: CallOptions = {},
  ): Promise<string> {
    return (await this.#page(resource, selection, 1, '', options)).metadata.resourceVersion;
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T> {
    const asked = about('create', 'POST', resource, object.metadata);
    const path = pathOf(resource, object.metadata.namespace);
    return await this.#write<T>(resource, { ...asked, path }, json, object, options);
  }

  /** Replaces an object; with `metadata.resourceVersion` only if it is still that version, else `Conflict`. */
  async update<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: PatchOptions = {},
  ): Promise<T> {
    const asked = about('update', 'PUT', resource, object.metadata, options.subresource);
    return await this.#write<T>(resource, asked, json, object, options);
  }

  /** Server-side apply: the object comes to have these fields, and no longer those that this writer applied before. */
  async apply<T extends KubeObject>(
    resource: Resource<T>,
    object: Partial<T> & KubeObject,
    { force = true, fieldManager = this.#fieldManager, ...options }: ApplyOptions = {},
  ): Promise<T> {
    const asked = about('apply', 'PATCH', resource, object.metadata, options.subresource);
    const query = { fieldManager, force: String(force) };
    return await this.#write<T>(
      resource,
      { ...asked, query },
      'application/apply-patch+yaml',
      object,
      options,
    );
  }

  /** A merge patch (RFC 7396): null where a field is to go. A list of operations is a JSON patch (RFC 6902). */
  async patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: object,
    options: PatchOptions = {},
  ): Promise<T> {
    const type = Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json';
    const asked = about('patch', 'PATCH', resource, ref, options.subresource);
    const query = { fieldManager: this.#fieldManager };
    return await this.#calls.json<T>({ ...asked, query, content: { type, value: patch } }, options);
  }

  /** @returns false when there was no such object. */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    { preconditions, ...options }: DeleteOptions = {},
  ): Promise<boolean> {
    const value = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    try {
      const asked = about('delete', 'DELETE', resource, ref);
      await this.#calls.json({ ...asked, content: { type: json, value } }, options);
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'NotFound') return false;
      throw error;
    }
  }

  /** Deletes all of a namespace that the selection has. */
  async deleteAll<T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection & { readonly namespace: string },
    options: CallOptions = {},
  ): Promise<void> {
    const path = pathOf(resource, selection.namespace);
    const asked = { what: `delete ${fullName(resource)}`, method: 'DELETE', path, query: queryOf(selection) };
    await this.#calls.json(asked, options);
  }

  /**
   * Changes after `resourceVersion`, bookmarks among them. Resolves when the server has taken the watch; the events end when
   * the server ends it, after `timeoutSeconds`, and throw when it fails: `status` 410 when that version is too old.
   */
  async watch<T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent<T>>> {
    const what = `watch ${fullName(resource)}`;
    const query = {
      ...queryOf(selection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: selection.resourceVersion,
      timeoutSeconds: String(selection.timeoutSeconds),
    };
    const asked = { what, method: 'GET', path: pathOf(resource, selection.namespace), query };
    return this.#events<T>(what, await this.#calls.begin(asked, signal), signal);
  }

  /** Any other call, such as of a discovery document. @returns the answer's JSON. */
  async request<T>(
    method: string,
    path: string,
    { body, ...options }: CallOptions & { readonly body?: object } = {},
  ): Promise<T> {
    const asked: Asked = { what: `${method} ${path}`, method, path };
    return await this.#calls.json<T>(
      body ? { ...asked, content: { type: json, value: body } } : asked,
      options,
    );
  }

  async #page<T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection,
    limit: number,
    from: string,
    options: CallOptions,
  ): Promise<List<T>> {
    const path = pathOf(resource, selection.namespace);
    const query = { ...queryOf(selection), limit: String(limit), continue: from };
    return await this.#calls.json(
      { what: `list ${fullName(resource)}`, method: 'GET', path, query },
      options,
    );
  }

  async #write<T extends KubeObject>(
    resource: Resource<T>,
    asked: Asked,
    type: string,
    object: object,
    options: CallOptions,
  ): Promise<T> {
    const value = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
    const query = { fieldManager: this.#fieldManager };
    return await this.#calls.json<T>({ query, ...asked, content: { type, value } }, options);
  }

  async *#events<T extends KubeObject>(
    what: string,
    stream: ClientHttp2Stream,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    try {
      for await (const line of linesOf(stream)) {
        const event = JSON.parse(line) as
          | WatchEvent<T>
          | { readonly type: 'ERROR'; readonly object: KubeObject };
        if (event.type === 'ERROR') throw KubeError.fromStatus(what, event.object);
        yield event;
      }
      signal.throwIfAborted();
      // A connection that broke ends its streams without an error, but not as a server does.
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error('the connection ended');
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof KubeError ? error : this.#calls.unreachable(error);
    } finally {
      stream.close(constants.NGHTTP2_CANCEL);
    }
  }
}

const json = 'application/json';

function queryOf({ labelSelector = '', fieldSelector = '' }: Selection): Record<string, string> {
  return { labelSelector, fieldSelector };
}

/** A call about one object. */
function about(
  verb: string,
  method: string,
  resource: Resource<KubeObject>,
  { name, namespace }: ObjectRef,
  subresource?: string,
): Asked {
  const place = namespace === undefined ? '' : ` in namespace ${JSON.stringify(namespace)}`;
  const part = subresource === undefined ? '' : `/${subresource}`;
  return {
    what: `${verb} ${fullName(resource)}${part} ${JSON.stringify(name)}${place}`,
    method,
    path: `${pathOf(resource, namespace, name)}${part}`,
  };
}
