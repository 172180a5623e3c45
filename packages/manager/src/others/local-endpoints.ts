// The endpoints that this manager serves: advertised over its socket, called over theirs, and missed the moment they die.
import {
  Channel,
  endpoint as ep,
  type forwarder as fw,
  type NetworkServiceEndpoint,
  NsmError,
  type PeerCredentials,
  type ServiceClient,
} from '@nsm/api';
import { type EndpointKey, endpointKey, type Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import { admitEndpoint, quote } from '../admission/admission.js';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import type { Store } from '../state/store.js';
import { isServed, listenerOf } from './socket-listener.js';

/** Milliseconds within which an endpoint must accept a connection on its socket. */
const reachTimeout = 2000;
/** Milliseconds for which a connection to it is tried before its socket is looked at. */
const lookAgainAfter = 250;
/** What the process at an endpoint's socket does, in words. */
const serves = 'serves the endpoint';
/** Milliseconds within which it must answer a request. */
const answerTimeout = 5000;

interface LocalEndpoint {
  readonly record: NetworkServiceEndpoint;
  readonly channel: Channel;
  readonly client: ServiceClient<typeof ep.EndpointConnection>;
  /** Process that listens on the endpoint's socket. */
  readonly listener: PeerCredentials;
  readonly stop: AbortController;
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
    if (endpoints.length > 64)
      throw new NsmError(
        'invalid',
        `network_endpoint has ${endpoints.length} entries; at most 64 are accepted`,
      );
    for (const endpoint of endpoints) admitEndpoint(endpoint, this.#manager);
    const added: NetworkServiceEndpoint[] = [];
    try {
      for (const endpoint of endpoints) {
        const record = this.#recordOf(endpoint);
        await this.#admitSpeaker(record, peer);
        if (await this.#add(record)) added.push(record);
      }
    } catch (error) {
      for (const record of added) await this.remove(endpointKey(record), 'its advertisement was refused');
      throw error;
    }
  }

  /** Reconnects to the endpoints of an earlier life; those that no longer answer are removed. */
  async restore(): Promise<void> {
    await Promise.all(
      this.#components.store.endpoints().map(async (record) => {
        try {
          // The manager may have another name now.
          await this.#add({ ...record, networkServiceHost: this.#manager });
        } catch (error) {
          await this.#forget(record, NsmError.from(error).message);
        }
      }),
    );
  }

  /** Removes one, or does nothing when it is not there. */
  async remove(key: string, reason: string): Promise<void> {
    const endpoint = this.#endpoints.get(key);
    if (!endpoint) return;
    this.#endpoints.delete(key);
    endpoint.stop.abort();
    endpoint.channel.close();
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
    return this.#endpoints.get(endpointKey(record))?.listener.uid;
  }

  /**
   * Asks an endpoint for a connection.
   * @throws NsmError `endpoint-unreachable`, `endpoint-refused`, `namespace-unknown` or `namespace-foreign`.
   */
  async request(
    record: NetworkServiceEndpoint,
    request: Parameters<LocalEndpoint['client']['requestEndpointConnection']>[0],
    signal: AbortSignal,
  ): Promise<EndpointAnswer> {
    const endpoint = this.#endpoints.get(endpointKey(record));
    if (!endpoint)
      throw new NsmError('endpoint-unreachable', `endpoint ${quote(record.nseProviderName)} has gone`);
    const reply = await endpoint.client
      .requestEndpointConnection(request, { signal, timeoutMs: answerTimeout })
      .catch((thrown: unknown) => {
        const error = NsmError.from(thrown);
        if (signal.aborted) throw error;
        // An endpoint that is stopping resets its calls, which arrives as cancelled.
        const silent = ['deadline', 'unavailable', 'cancelled'].includes(error.kind);
        const kind = silent ? 'endpoint-unreachable' : 'endpoint-refused';
        throw new NsmError(
          kind,
          `endpoint ${quote(record.nseProviderName)} on ${record.socketLocation}: ${error.message}`,
          error,
        );
      });
    if (reply.admissionError !== '') {
      throw new NsmError(
        'endpoint-refused',
        `endpoint ${quote(record.nseProviderName)} refuses: ${reply.admissionError}`,
      );
    }
    if (reply.linuxNamespace === '') {
      throw new NsmError(
        'endpoint-refused',
        `endpoint ${quote(record.nseProviderName)} named no linux_namespace in its reply`,
      );
    }
    const namespace = await this.#components.guard.admitEndpoint(reply.linuxNamespace, endpoint.listener);
    return { reply, namespace };
  }

  /**
   * @throws NsmError `namespace-foreign` unless the caller is where the endpoint is, or may speak for others. An endpoint
   * that is not there has nobody to speak for.
   */
  async admitCaller(key: EndpointKey, peer: PeerCredentials | undefined): Promise<void> {
    const endpoint = this.#endpoints.get(endpointKey(key));
    const { guard } = this.#components;
    if (!endpoint || (await guard.maySpeakFor(peer, await guard.namespaceOf(endpoint.listener, serves))))
      return;
    throw new NsmError(
      'namespace-foreign',
      `endpoint ${quote(key.nseProviderName)} belongs to another network namespace; speak for it from there`,
    );
  }

  /** Tells an endpoint that a connection has ended; one that does not implement this, or has gone, need not know. */
  async close(record: EndpointKey, requestId: string, reason: string): Promise<void> {
    const endpoint = this.#endpoints.get(endpointKey(record));
    await endpoint?.client
      .closeEndpointConnection(
        { requestId, networkServiceName: record.networkServiceName, reason },
        { timeoutMs: answerTimeout },
      )
      .catch(() => undefined);
  }

  /** Lets go of every endpoint without removing any: they are found again at the next start. */
  stop(): void {
    for (const { stop, channel } of this.#endpoints.values()) {
      stop.abort();
      channel.close();
    }
    this.#endpoints.clear();
  }

  /** Whoever advertises must be where the endpoint's socket is served from, or be allowed to speak for others. */
  async #admitSpeaker(record: NetworkServiceEndpoint, peer: PeerCredentials | undefined): Promise<void> {
    const { guard } = this.#components;
    const listener = await listenerOf(record.socketLocation, reachTimeout, true);
    if (await guard.maySpeakFor(peer, await guard.namespaceOf(listener, serves))) return;
    throw new NsmError(
      'namespace-foreign',
      `socket_location ${record.socketLocation} is served from another network namespace; advertise it from there`,
    );
  }

  /** The record as the mesh sees it: other managers allocate from its prefixes, which may be configured here alone. */
  #recordOf(endpoint: NetworkServiceEndpoint): NetworkServiceEndpoint {
    const configured = this.#prefixes.get(endpoint.networkServiceName) ?? this.#prefixes.get('') ?? [];
    const prefixes = endpoint.prefixes.length > 0 ? endpoint.prefixes : [...configured];
    return { ...endpoint, networkServiceHost: this.#manager, prefixes };
  }

  async #add(record: NetworkServiceEndpoint): Promise<boolean> {
    const key = endpointKey(record);
    const present = this.#endpoints.get(key);
    if (
      present &&
      present.record.socketLocation !== record.socketLocation &&
      (await isServed(present.record.socketLocation, reachTimeout))
    ) {
      throw new NsmError(
        'conflict',
        `endpoint ${quote(record.nseProviderName)} already provides ${quote(record.networkServiceName)} from ` +
          `${present.record.socketLocation}; stop that one, or choose another nse_provider_name`,
      );
    }
    const listener = await listenerOf(record.socketLocation, reachTimeout);
    if (
      present &&
      !present.leaving &&
      present.listener.pid === listener.pid &&
      JSON.stringify(present.record) === JSON.stringify(record)
    )
      return false;
    present?.stop.abort();
    present?.channel.close();
    const channel = new Channel(`unix:${record.socketLocation}`);
    const endpoint: LocalEndpoint = {
      record,
      channel,
      listener,
      client: channel.client(ep.EndpointConnection),
      stop: new AbortController(),
      leaving: false,
    };
    this.#endpoints.set(key, endpoint);
    await this.#components.store.putEndpoint(key, record);
    const { registry, logger } = this.#components;
    const registered = registry
      .registerEndpoint(record)
      .catch((error: unknown) => logger.warn({ endpoint: key, err: error }, 'endpoint not registered yet'));
    // Where the registry is away it serves the clients of this node already, and the others when the registry is back.
    if (registry.synced) await registered;
    void this.#watch(key, endpoint);
    logger.info(
      { endpoint: key, socket: record.socketLocation, servedBy: listener.pid },
      'endpoint advertised',
    );
    return true;
  }

  /** Holds a connection to the endpoint's socket: when it breaks and nobody listens any more, the endpoint is dead. */
  async #watch(key: string, { record, channel, stop }: LocalEndpoint): Promise<void> {
    try {
      for (let answeredAt = performance.now(); ; ) {
        const answered = await channel.lost(lookAgainAfter, stop.signal).then(
          () => true,
          () => false,
        );
        stop.signal.throwIfAborted();
        await listenerOf(record.socketLocation, reachTimeout);
        if (answered) answeredAt = performance.now();
        else if (performance.now() - answeredAt > reachTimeout)
          throw new Error('it accepts connections but does not speak gRPC');
      }
    } catch (error) {
      if (!stop.signal.aborted) await this.remove(key, `it died: ${NsmError.from(error).message}`);
    }
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
