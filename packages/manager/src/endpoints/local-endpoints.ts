// The endpoints that this manager serves: what is known of each, and the calls to them.
import {
  type endpoint as ep,
  type forwarder as fw,
  type NamespaceIdentity,
  type NetworkServiceEndpoint,
  NsmError,
  type PeerCredentials,
} from '@nsm/api';
import { type EndpointKey, endpointKey } from '@nsm/registry';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import { quote } from '../untrusted-text.js';
import type { EndpointSocket } from './endpoint-socket.js';

export interface LocalEndpoint {
  readonly record: NetworkServiceEndpoint;
  /** Shared by all services that are provided by it. */
  readonly socket: EndpointSocket;
  /** Leaving: it will be gone. Denied: until the policy allows it. Of both the mesh does not know, and no client is connected to it. */
  readonly state: 'serving' | 'leaving' | 'denied';
}

export interface EndpointAnswer {
  readonly reply: ep.EndpointConnectionReply;
  readonly namespace: fw.Namespace;
}

export interface LocalEndpointsComponents {
  readonly guard: Pick<NamespaceGuard, 'admitEndpoint' | 'maySpeakFor' | 'ownsNode'>;
}

/** By key of the endpoint. Only `Advertising` adds and removes. */
export class LocalEndpoints extends Map<string, LocalEndpoint> {
  readonly #guard: LocalEndpointsComponents['guard'];

  constructor({ guard }: LocalEndpointsComponents) {
    super();
    this.#guard = guard;
  }

  /** Whether clients must not be connected to an endpoint. */
  isWithheld(record: EndpointKey): boolean {
    const present = this.get(endpointKey(record));
    return present !== undefined && present.state !== 'serving';
  }

  /** The records of those that clients may be connected to. */
  records(): NetworkServiceEndpoint[] {
    return [...this.values()].filter(({ state }) => state === 'serving').map(({ record }) => record);
  }

  /** Records by name, with those that clients must not be connected to. */
  matching(name: string, namespace: string, service: string): NetworkServiceEndpoint[] {
    const records = [...this.values()].map(({ record }) => record);
    return records.filter(
      (record) =>
        record.nseProviderName === name &&
        (service === '' || record.networkServiceName === service) &&
        (namespace === '' || (record.nseProviderNamespace || 'default') === namespace),
    );
  }

  /** The user whose process listens on an endpoint's socket; undefined when the endpoint has gone. */
  uidOf(record: EndpointKey): number | undefined {
    return this.get(endpointKey(record))?.socket.listener.uid;
  }

  /** The network namespace that an endpoint is in; undefined while it may name another, or has gone. */
  namespaceOf(record: EndpointKey): NamespaceIdentity | undefined {
    const listener = this.get(endpointKey(record))?.socket.listener;
    return listener && !this.#guard.ownsNode(listener) ? listener.namespace : undefined;
  }

  /**
   * Asks an endpoint for a connection.
   * @throws NsmError `endpoint-unreachable`, `endpoint-refused`, `namespace-unknown` or `namespace-foreign`.
   */
  async request(
    record: NetworkServiceEndpoint,
    request: Parameters<EndpointSocket['request']>[1],
    call: Parameters<EndpointSocket['request']>[2],
  ): Promise<EndpointAnswer> {
    const { nseProviderName: name } = record;
    const socket = this.get(endpointKey(record))?.socket;
    if (!socket) throw new NsmError('endpoint-unreachable', `endpoint ${quote(name)} has gone`);
    const reply = await socket.request(name, request, call);
    return { reply, namespace: await this.#guard.admitEndpoint(reply.linuxNamespace, socket.listener) };
  }

  /** Whether the caller may speak for any endpoint. */
  hasAnyOf(peer: PeerCredentials | undefined): boolean {
    return [...this.values()].some(({ socket }) => this.#guard.maySpeakFor(peer, socket.listener));
  }

  /** Whether an endpoint is there and the caller may speak for it. */
  isServedBy(key: EndpointKey, peer: PeerCredentials | undefined): boolean {
    const socket = this.get(endpointKey(key))?.socket;
    return socket !== undefined && this.#guard.maySpeakFor(peer, socket.listener);
  }

  /**
   * @throws NsmError `namespace-foreign` unless the caller is where the endpoint is, or may speak for others. An endpoint
   * that is not there has nobody to speak for.
   */
  admitCaller(key: EndpointKey, peer: PeerCredentials | undefined): void {
    const socket = this.get(endpointKey(key))?.socket;
    if (!socket || this.#guard.maySpeakFor(peer, socket.listener)) return;
    throw new NsmError(
      'namespace-foreign',
      `endpoint ${quote(key.nseProviderName)} belongs to another network namespace; speak for it from there`,
    );
  }

  async close(record: EndpointKey, requestId: string, reason: string): Promise<void> {
    const { networkServiceName } = record;
    const socket = this.get(endpointKey(record))?.socket;
    await socket?.closeConnection({ requestId, networkServiceName, reason });
  }
}
