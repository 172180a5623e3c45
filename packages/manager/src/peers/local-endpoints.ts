// The endpoints that this manager serves: advertised over its socket, called over theirs, and missed the moment they die.
import {
  type endpoint as ep,
  type forwarder as fw,
  maxServices,
  type NetworkServiceEndpoint,
  NsmError,
  type PeerCredentials,
} from '@nsm/api';
import { type EndpointKey, endpointKey, type Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import { admitEndpoint } from '../admission/admission.js';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import { forEachLimited } from '../limited-concurrency.js';
import type { Store } from '../state/store.js';
import { oneLine, quote } from '../untrusted-text.js';
import { EndpointSocket, isExhausted, reachTimeoutMs } from './endpoint-socket.js';
import { isServed, listenerOf } from './socket-listener.js';

/** What the process at an endpoint's socket does, in words. */
const serves = 'serves the endpoint';
/** Milliseconds within which it must answer a request. */
const answerTimeout = 5000;

/** So many of an endpoint's services are written down and told to the registry at the same time. */
const atOnce = 256;

interface LocalEndpoint {
  readonly record: NetworkServiceEndpoint;
  /** Shared by all services that are provided by it. */
  readonly socket: EndpointSocket;
  /** Nobody is connected to it any more, and the mesh does not know it any more. */
  leaving: boolean;
}

export interface EndpointAnswer {
  readonly reply: ep.EndpointConnectionReply;
  readonly namespace: fw.Namespace;
}

export interface LocalEndpointsComponents {
  readonly registry: Registry;
  readonly store: Store;
  readonly guard: NamespaceGuard;
  readonly logger: Logger;
  /** Called when an endpoint has died or was removed. */
  readonly onGone: (record: NetworkServiceEndpoint, reason: string) => void;
}

export class LocalEndpoints {
  readonly #components: LocalEndpointsComponents;
  readonly #manager: string;
  readonly #prefixes: ReadonlyMap<string, readonly string[]>;
  readonly #endpoints = new Map<string, LocalEndpoint>();
  /** By path: those that are current. */
  readonly #sockets = new Map<string, EndpointSocket>();

  /**
   * @param manager name of this manager.
   * @param prefixes configured for network services, under '' for all others.
   */
  constructor(
    components: LocalEndpointsComponents,
    manager: string,
    prefixes: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#components = components;
    this.#manager = manager;
    this.#prefixes = prefixes;
  }

  get size(): number {
    return this.#endpoints.size;
  }

  /**
   * Takes endpoints on, all or none. Advertising the same again changes nothing.
   * @throws NsmError `invalid`, `endpoint-unreachable`, or `conflict` when a living endpoint has that name.
   */
  async advertise(
    endpoints: readonly NetworkServiceEndpoint[],
    peer: PeerCredentials | undefined,
  ): Promise<void> {
    if (endpoints.length === 0)
      throw new NsmError('invalid', 'network_endpoint is empty: advertise at least one endpoint');
    if (endpoints.length > maxServices)
      throw new NsmError(
        'invalid',
        `network_endpoint has ${endpoints.length} entries; at most ${maxServices} are accepted in one advertisement`,
      );
    for (const endpoint of endpoints) admitEndpoint(endpoint, this.#manager);
    const records = endpoints.map((endpoint) => this.#recordOf(endpoint));
    const listeners = new Map<string, PeerCredentials>();
    for (const path of new Set(records.map(({ socketLocation }) => socketLocation)))
      listeners.set(path, await this.#admitSpeaker(path, peer));
    for (const record of records) await this.#refuseTaken(record);
    await this.#addAll(records, listeners);
  }

  /** Reconnects to the endpoints of an earlier life; those that no longer answer are removed. */
  async restore(): Promise<void> {
    // The manager may have another name now.
    const records = this.#components.store
      .endpoints()
      .map((record) => ({ ...record, networkServiceHost: this.#manager }));
    const paths = new Set(records.map(({ socketLocation }) => socketLocation));
    await Promise.all(
      [...paths].map(async (path) => {
        const served = records.filter(({ socketLocation }) => socketLocation === path);
        try {
          await this.#addAll(served, new Map([[path, await listenerOf(path, reachTimeoutMs)]]));
        } catch (error) {
          if (isExhausted(error)) throw error;
          const { message } = NsmError.from(error);
          await forEachLimited(served, (record) => this.#forget(record, message), atOnce);
        }
      }),
    );
  }

  /** Removes one, or does nothing when it is not there. */
  async remove(key: string, reason: string): Promise<void> {
    const endpoint = this.#endpoints.get(key);
    if (!endpoint) return;
    this.#drop(key, endpoint);
    await this.#forget(endpoint.record, reason);
  }

  /**
   * Takes one out of the mesh, and leaves it to those that are connected to it.
   * @returns what removes it, and not one that was advertised under its name meanwhile.
   */
  withdraw(key: string): (reason: string) => Promise<void> {
    const endpoint = this.#endpoints.get(key);
    if (endpoint && !endpoint.leaving) {
      endpoint.leaving = true;
      // Where the registry is away, other managers are told when they ask.
      this.#components.registry.removeEndpoint(endpoint.record).catch(() => undefined);
    }
    return async (reason) => {
      if (endpoint && this.#endpoints.get(key) === endpoint) await this.remove(key, reason);
    };
  }

  isLeaving(record: EndpointKey): boolean {
    return this.#endpoints.get(endpointKey(record))?.leaving === true;
  }

  /** The records of those that clients may be connected to. */
  records(): NetworkServiceEndpoint[] {
    return [...this.#endpoints.values()].filter(({ leaving }) => !leaving).map(({ record }) => record);
  }

  /** Those that are leaving too. */
  matching(name: string, namespace: string, service: string): NetworkServiceEndpoint[] {
    const records = [...this.#endpoints.values()].map(({ record }) => record);
    return records.filter(
      (record) =>
        record.nseProviderName === name &&
        (service === '' || record.networkServiceName === service) &&
        (namespace === '' || (record.nseProviderNamespace || 'default') === namespace),
    );
  }

  /** The user whose process listens on an endpoint's socket; undefined when the endpoint has gone. */
  uidOf(record: EndpointKey): number | undefined {
    return this.#endpoints.get(endpointKey(record))?.socket.listener.uid;
  }

  /**
   * Asks an endpoint for a connection.
   * @throws NsmError `endpoint-unreachable`, `endpoint-refused`, `namespace-unknown` or `namespace-foreign`.
   */
  async request(
    record: NetworkServiceEndpoint,
    request: Parameters<EndpointSocket['client']['requestEndpointConnection']>[0],
    signal: AbortSignal,
  ): Promise<EndpointAnswer> {
    const endpoint = this.#endpoints.get(endpointKey(record));
    if (!endpoint)
      throw new NsmError('endpoint-unreachable', `endpoint ${quote(record.nseProviderName)} has gone`);
    const reply = await endpoint.socket.client
      .requestEndpointConnection(request, { signal, timeoutMs: answerTimeout })
      .catch((thrown: unknown) => {
        const error = NsmError.from(thrown);
        if (signal.aborted) throw error;
        // An endpoint that is stopping resets its calls, which arrives as cancelled.
        const silent = ['deadline', 'unavailable', 'cancelled'].includes(error.kind);
        const kind = silent ? 'endpoint-unreachable' : 'endpoint-refused';
        throw new NsmError(
          kind,
          `endpoint ${quote(record.nseProviderName)} on ${record.socketLocation}: ${error.kind === 'cancelled' ? 'it was stopped before it had answered' : error.message}`,
          error,
        );
      });
    if (reply.admissionError !== '') {
      throw new NsmError(
        'endpoint-refused',
        `endpoint ${quote(record.nseProviderName)} refuses: ${oneLine(reply.admissionError)}`,
      );
    }
    if (reply.linuxNamespace === '') {
      throw new NsmError(
        'endpoint-refused',
        `endpoint ${quote(record.nseProviderName)} named no linux_namespace in its reply`,
      );
    }
    const namespace = await this.#components.guard.admitEndpoint(
      reply.linuxNamespace,
      endpoint.socket.listener,
    );
    return { reply, namespace };
  }

  /**
   * @throws NsmError `namespace-foreign` unless the caller is where the endpoint is, or may speak for others. An endpoint
   * that is not there has nobody to speak for.
   */
  async admitCaller(key: EndpointKey, peer: PeerCredentials | undefined): Promise<void> {
    const endpoint = this.#endpoints.get(endpointKey(key));
    const { guard } = this.#components;
    if (
      !endpoint ||
      (await guard.maySpeakFor(peer, await guard.namespaceOf(endpoint.socket.listener, serves)))
    )
      return;
    throw new NsmError(
      'namespace-foreign',
      `endpoint ${quote(key.nseProviderName)} belongs to another network namespace; speak for it from there`,
    );
  }

  /** Tells an endpoint that a connection has ended; one that does not implement this, or has gone, need not know. */
  async close(record: EndpointKey, requestId: string, reason: string): Promise<void> {
    const endpoint = this.#endpoints.get(endpointKey(record));
    await endpoint?.socket.client
      .closeEndpointConnection(
        { requestId, networkServiceName: record.networkServiceName, reason },
        { timeoutMs: answerTimeout },
      )
      .catch(() => undefined);
  }

  /** Lets go of every endpoint without removing any: they are found again at the next start. */
  stop(): void {
    for (const socket of new Set([...this.#endpoints.values()].map((endpoint) => endpoint.socket)))
      socket.close();
    this.#endpoints.clear();
    this.#sockets.clear();
  }

  /** Whoever advertises must be where the endpoint's socket is served from, or be allowed to speak for others. */
  async #admitSpeaker(path: string, peer: PeerCredentials | undefined): Promise<PeerCredentials> {
    const { guard } = this.#components;
    const listener = await listenerOf(path, reachTimeoutMs, true);
    if (await guard.maySpeakFor(peer, await guard.namespaceOf(listener, serves))) return listener;
    throw new NsmError(
      'namespace-foreign',
      `socket_location ${path} is served from another network namespace; advertise it from there`,
    );
  }

  /** The record as the mesh sees it: other managers allocate from its prefixes, which may be configured here alone. */
  #recordOf(endpoint: NetworkServiceEndpoint): NetworkServiceEndpoint {
    const configured = this.#prefixes.get(endpoint.networkServiceName) ?? this.#prefixes.get('') ?? [];
    const prefixes = endpoint.prefixes.length > 0 ? endpoint.prefixes : [...configured];
    return { ...endpoint, networkServiceHost: this.#manager, prefixes };
  }

  async #refuseTaken(record: NetworkServiceEndpoint): Promise<void> {
    const present = this.#endpoints.get(endpointKey(record))?.record;
    if (!present || present.socketLocation === record.socketLocation) return;
    if (!(await isServed(present.socketLocation, reachTimeoutMs))) return;
    throw new NsmError(
      'conflict',
      `endpoint ${quote(record.nseProviderName)} already provides ${quote(record.networkServiceName)} from ` +
        `${present.socketLocation}; stop that one, or choose another nse_provider_name`,
    );
  }

  /** @param listeners by the path of the socket. @throws NsmError when one cannot be written down; then none is added. */
  async #addAll(
    records: readonly NetworkServiceEndpoint[],
    listeners: ReadonlyMap<string, PeerCredentials>,
  ): Promise<void> {
    const { registry, logger, store } = this.#components;
    const added: NetworkServiceEndpoint[] = [];
    for (const record of records) {
      const listener = listeners.get(record.socketLocation);
      if (listener && this.#put(record, listener)) added.push(record);
    }
    const write = (record: NetworkServiceEndpoint) => store.putEndpoint(endpointKey(record), record);
    try {
      await forEachLimited(added, write, atOnce);
    } catch (error) {
      const reason = 'its advertisement was refused';
      await forEachLimited(added, (record) => this.remove(endpointKey(record), reason), atOnce);
      throw error;
    }
    const register = async (record: NetworkServiceEndpoint): Promise<void> => {
      await registry
        .registerEndpoint(record)
        .catch((error: unknown) =>
          logger.warn({ endpoint: endpointKey(record), err: error }, 'endpoint not registered yet'),
        );
    };
    const registered = forEachLimited(added, register, atOnce);
    // Where the registry is away it serves the clients of this node already, and the others when the registry is back.
    if (registry.synced) await registered;
    for (const [socket, { pid: servedBy }] of listeners) {
      const keys = added.filter((record) => record.socketLocation === socket).map(endpointKey);
      const [endpoint, ...others] = keys;
      if (endpoint) logger.info({ endpoint, others: others.length, socket, servedBy }, 'endpoint advertised');
    }
  }

  /** @returns false when it is there already as it is. */
  #put(record: NetworkServiceEndpoint, listener: PeerCredentials): boolean {
    const key = endpointKey(record);
    const present = this.#endpoints.get(key);
    const same =
      present?.socket.path === record.socketLocation && present.socket.listener.pid === listener.pid;
    if (same && !present.leaving && JSON.stringify(present.record) === JSON.stringify(record)) return false;
    if (present) this.#drop(key, present);
    const socket = this.#socketOf(record.socketLocation, listener);
    socket.services.add(key);
    this.#endpoints.set(key, { record, socket, leaving: false });
    return true;
  }

  /** Another process on the same path is another socket; what is not advertised anew stays with the one before. */
  #socketOf(path: string, listener: PeerCredentials): EndpointSocket {
    const present = this.#sockets.get(path);
    if (present?.listener.pid === listener.pid) return present;
    const socket: EndpointSocket = new EndpointSocket(
      path,
      listener,
      (reason) => void this.#died(socket, reason),
    );
    this.#sockets.set(path, socket);
    return socket;
  }

  async #died(socket: EndpointSocket, reason: string): Promise<void> {
    await forEachLimited([...socket.services], (key) => this.remove(key, reason), atOnce);
  }

  #drop(key: string, { socket }: LocalEndpoint): void {
    this.#endpoints.delete(key);
    socket.services.delete(key);
    if (socket.services.size > 0) return;
    socket.close();
    if (this.#sockets.get(socket.path) === socket) this.#sockets.delete(socket.path);
  }

  async #forget(record: NetworkServiceEndpoint, reason: string): Promise<void> {
    const key = endpointKey(record);
    this.#components.logger.info({ endpoint: key, reason }, 'endpoint removed');
    await this.#components.store.removeEndpoint(key);
    this.#components.onGone(record, reason);
    await this.#components.registry.removeEndpoint(record).catch((error: unknown) => {
      this.#components.logger.warn(
        { endpoint: key, err: error },
        'endpoint not removed from the registry yet',
      );
    });
  }
}
