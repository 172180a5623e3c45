// Endpoints as objects, in the namespaces of their pods.
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { type KubeClient, KubeError, type OwnerReference, pods } from '@nsm/kube-client';
import { endpointKey } from '../records/valid-record.js';
import type { EndpointKey, EndpointRemoval } from '../registry.js';
import {
  callMs,
  fieldManagerOf,
  find,
  type Place,
  retried,
  versionOf,
  type WriteComponents,
} from './api-writes.js';
import { type EndpointObject, endpointObjects, labels } from './mesh-objects.js';
import { isNamespaceName, labelValue, objectName } from './object-names.js';
import { endpointObject } from './record-objects.js';

/** Where the registry's copy has an endpoint's object: as new as its watch is. */
export type KnownPlace = (key: string) => Place | undefined;

export class EndpointWrites {
  readonly #kube: KubeClient;
  readonly #home: string;
  readonly #known: KnownPlace;
  /** Where endpoints were written that the copy may not have yet. */
  readonly #places = new Map<string, Place>();

  constructor({ kube, home }: WriteComponents, known: KnownPlace) {
    this.#kube = kube;
    this.#home = home;
    this.#known = known;
  }

  async register(endpoint: NetworkServiceEndpoint): Promise<void> {
    const own = endpoint.nseProviderNamespace;
    const known = this.#placeOf(endpointKey(endpoint))?.namespace;
    const namespace = known ?? (isNamespaceName(own) ? own : this.#home);
    try {
      await this.#apply(endpoint, namespace);
    } catch (error) {
      // Its namespace is none of Kubernetes'.
      const nowhere =
        error instanceof KubeError && error.reason === 'NotFound' && error.about === 'namespaces';
      if (!nowhere || namespace === this.#home) throw error;
      await this.#apply(endpoint, this.#home);
    }
  }

  async remove({ networkServiceHost: host, ...key }: EndpointRemoval): Promise<void> {
    for (const place of this.#placesOf(key)) {
      await retried(async () => {
        const object = await find(this.#kube, endpointObjects, place);
        if (!object || (host && object.spec.networkServiceHost !== host)) return;
        if ((object.metadata.labels?.[labels.mesh] ?? this.#home) !== this.#home) return;
        const preconditions = versionOf(object);
        await this.#kube.delete(endpointObjects, place, { preconditions, timeoutMs: callMs });
        this.#places.delete(endpointKey(key));
      });
    }
  }

  /** All that a manager serves. */
  async removeAll(host: string): Promise<void> {
    const endpoints: EndpointObject[] = [];
    const labelSelector = `${labels.manager}=${labelValue(host)},${labels.mesh}=${this.#home}`;
    await this.#kube.list(endpointObjects, { labelSelector }, (page) => endpoints.push(...page));
    for (const endpoint of endpoints)
      if (endpoint.spec.networkServiceHost === host)
        await this.#kube.delete(endpointObjects, endpoint.metadata, { timeoutMs: callMs });
  }

  async #apply(endpoint: NetworkServiceEndpoint, namespace: string): Promise<void> {
    const object = endpointObject(endpoint, namespace, this.#home);
    const place = this.#placeOf(endpointKey(endpoint)) ?? { namespace, name: object.metadata.name };
    const owner = await this.#podOf(endpoint, namespace);
    const metadata = { ...object.metadata, ...place, ...(owner && { ownerReferences: [owner] }) };
    try {
      const options = { force: false, fieldManager: fieldManagerOf(this.#home), timeoutMs: callMs };
      await this.#kube.apply(endpointObjects, { ...object, metadata }, options);
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 409)) throw error;
      throw new NsmError(
        'conflict',
        `endpoint ${JSON.stringify(endpoint.nseProviderName)} of ${JSON.stringify(endpoint.networkServiceName)}: the object ` +
          `${place.namespace}/${place.name} was written by somebody else; choose another name, or delete that object (${error.message})`,
        error,
      );
    }
    this.#places.set(endpointKey(endpoint), place);
  }

  /** The object of an endpoint ends with its pod. */
  async #podOf({ provider }: NetworkServiceEndpoint, namespace: string): Promise<OwnerReference | undefined> {
    const pod = provider?.kubernetes;
    if (!pod || pod.name === '' || pod.namespace !== namespace) return undefined;
    try {
      const { metadata } = await this.#kube.get(pods, { name: pod.name, namespace }, { timeoutMs: callMs });
      return { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: metadata.uid ?? '' };
    } catch (error) {
      // Without that right, or without that pod, its manager removes the endpoint.
      if (error instanceof KubeError && (error.status === 403 || error.status === 404)) return undefined;
      throw error;
    }
  }

  #placeOf(key: string): Place | undefined {
    return this.#known(key) ?? this.#places.get(key);
  }

  /** Where an endpoint's object is, or may be when the copy does not know. */
  #placesOf(key: EndpointKey): readonly Place[] {
    const known = this.#placeOf(endpointKey(key));
    if (known) return [known];
    const { networkServiceName, nseProviderName, nseProviderNamespace: own } = key;
    const places: Place[] = [
      { namespace: this.#home, name: objectName(nseProviderName, networkServiceName, own) },
    ];
    if (isNamespaceName(own))
      places.push({ namespace: own, name: objectName(nseProviderName, networkServiceName) });
    return places;
  }
}
