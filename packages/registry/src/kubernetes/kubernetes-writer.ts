// The writes of a registry, as calls of the Kubernetes API. Several managers may make them at the same time.
import { equals, type JsonObject } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NsmError, registry as wire } from '@nsm/api';
import {
  apiTime,
  type KubeClient,
  KubeError,
  type Lease,
  leases,
  type OwnerReference,
  pods,
} from '@nsm/kube-client';
import type {
  EndpointKey,
  EndpointRemoval,
  ManagerRecord,
  RecordWriter,
  RegistryLogger,
} from '../registry.js';
import { endpointKey, validManager } from '../valid-record.js';
import { asRegistryError } from './explain.js';
import {
  type EndpointObject,
  endpointObjects,
  labels,
  type ManagerObject,
  managerObjects,
} from './mesh-objects.js';
import { isNamespaceName, labelValue, objectName } from './object-names.js';
import { announce, withdraw } from './own-service.js';
import { endpointObject, keptManager, managerObject } from './record-objects.js';

/** Milliseconds until a call must be answered. */
const callMs = 3000;
/** Attempts of a write that others overtake. */
const attempts = 10;

export interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** What the registry's own copy says: as new as the watch is. */
export interface KnownObjects {
  /** Where an endpoint's object is. */
  placeOf(key: string): Place | undefined;
  manager(name: string): wire.Manager | undefined;
}

export interface WriterComponents {
  readonly kube: KubeClient;
  readonly known: KnownObjects;
  /** Named in errors. */
  readonly url: string;
  /** Namespace of managers, leases and claims. */
  readonly home: string;
  readonly logger: RegistryLogger;
}

export class KubernetesWriter implements RecordWriter {
  readonly #kube: KubeClient;
  readonly #known: KnownObjects;
  readonly #url: string;
  readonly #home: string;
  readonly #logger: RegistryLogger;
  /** Who writes, for the API: another mesh of the same cluster is another writer, whose objects are not overwritten. */
  readonly #fieldManager: string;
  /** Managers as they were last written, with their lease. */
  readonly #managers = new Map<string, { readonly record: wire.Manager; readonly leaseMs: number }>();
  /** Leases of names that are wanted here and are another's, as they look, and since when. */
  readonly #holders = new Map<string, { readonly version: string; readonly since: number }>();
  /** Where endpoints were written that the copy may not have yet. */
  readonly #places = new Map<string, Place>();

  constructor({ kube, known, url, home, logger }: WriterComponents) {
    this.#logger = logger;
    this.#kube = kube;
    this.#known = known;
    this.#url = url;
    this.#home = home;
    this.#fieldManager = `nsm/${home}`;
  }

  async registerManager(manager: ManagerRecord, leaseMs: number): Promise<void> {
    await this.#explained(async () => {
      const record = validManager(manager);
      const before = this.#managers.get(record.name);
      const known = this.#known.manager(record.name);
      const renewal =
        before?.leaseMs === leaseMs &&
        equals(wire.ManagerSchema, before.record, record) &&
        known !== undefined &&
        equals(wire.ManagerSchema, known, record);
      if (renewal && (await this.#renew(record.name))) return;
      const owner = await this.#write(record, leaseMs);
      // Without a Service it is found by its address; the next renewal tries again.
      if (await this.#announced(record, owner)) this.#managers.set(record.name, { record, leaseMs });
    });
  }

  async #announced(record: wire.Manager, owner: OwnerReference): Promise<boolean> {
    try {
      await announce(this.#kube, record, owner, this.#home);
      return true;
    } catch (error) {
      const manager = record.name;
      this.#logger.warn(
        { manager, err: asRegistryError(this.#url, error) },
        'a manager has no Service of its own',
      );
      return false;
    }
  }

  /** @returns false when there is no lease to renew. */
  async #renew(name: string): Promise<boolean> {
    try {
      const patch = { spec: { renewTime: apiTime() } };
      await this.#kube.patch(leases, this.#leaseOf(name), patch, { timeoutMs: callMs });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      throw error;
    }
  }

  /** @returns a reference to the manager's object. */
  async #write(record: wire.Manager, leaseMs: number): Promise<OwnerReference> {
    const object = managerObject(record, leaseMs, this.#home);
    const options = { timeoutMs: callMs, fieldManager: this.#fieldManager };
    for (let attempt = 1; ; attempt++) {
      const present = await this.#find(managerObjects, object.metadata.name);
      const holder = present && keptManager(present).record;
      if (holder?.alive && holder.address !== record.address && !(await this.#isSilent(record.name, present)))
        throw new NsmError(
          'conflict',
          `manager ${JSON.stringify(record.name)} is already registered from ${holder.address}; choose another --name`,
        );
      try {
        // Of two who take the name at the same moment the later finds that it has changed.
        const version = present ? { resourceVersion: present.metadata.resourceVersion ?? '' } : {};
        const metadata = { ...object.metadata, ...version };
        const applied = await this.#kube.apply(managerObjects, { ...object, metadata }, options);
        const owner = ownerOf(applied);
        await this.#kube.apply(leases, this.#newLease(record.name, leaseMs, owner), options);
        const status = { state: 'Alive' as const, since: new Date().toISOString() };
        if (applied.status?.state !== 'Alive')
          await this.#kube.patch(
            managerObjects,
            object.metadata as Place,
            { status },
            { subresource: 'status', timeoutMs: callMs },
          );
        this.#holders.delete(record.name);
        return owner;
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'Conflict') || attempt === attempts) throw error;
      }
    }
  }

  /** Whether the lease has looked the same for as long as it holds: nobody need have written down that its holder is lost. */
  async #isSilent(name: string, present: ManagerObject | undefined): Promise<boolean> {
    const { leaseMs } = present?.spec ?? {};
    if (leaseMs === undefined) return false;
    const lease = await this.#find(leases, this.#leaseOf(name).name);
    const version = lease?.metadata.resourceVersion ?? '';
    const seen = this.#holders.get(name);
    if (seen?.version === version) return performance.now() - seen.since > leaseMs;
    this.#holders.set(name, { version, since: performance.now() });
    return false;
  }

  async removeManager(name: string): Promise<void> {
    await this.#explained(async () => {
      this.#managers.delete(name);
      const own = `${labels.manager}=${labelValue(name)}`;
      const endpoints: EndpointObject[] = [];
      const labelSelector = `${own},${labels.mesh}=${this.#home}`;
      await this.#kube.list(endpointObjects, { labelSelector }, (page) => endpoints.push(...page));
      for (const endpoint of endpoints)
        if (endpoint.spec.networkServiceHost === name)
          await this.#kube.delete(endpointObjects, endpoint.metadata, { timeoutMs: callMs });
      await this.#kube.deleteAll(leases, {
        namespace: this.#home,
        labelSelector: `${own},${labels.lease}=claim`,
      });
      await withdraw(this.#kube, name, this.#home);
      // The manager last: should this process die in between, the rest is not left to nobody. Its lease goes with it.
      await this.#kube.delete(managerObjects, { name: objectName(name), namespace: this.#home });
    });
  }

  async endLease(name: string): Promise<void> {
    await this.#explained(async () => {
      this.#managers.delete(name);
      const ref = { name: objectName(name), namespace: this.#home };
      const status = { state: 'Stopped' as const, since: new Date().toISOString() };
      try {
        await this.#kube.patch(managerObjects, ref, { status }, { subresource: 'status', timeoutMs: callMs });
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'NotFound')) throw error;
      }
    });
  }

  async registerEndpoint(endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#explained(async () => {
      const key = endpointKey(endpoint);
      const own = endpoint.nseProviderNamespace;
      const known = this.#placeOf(key)?.namespace;
      const namespace = known ?? (isNamespaceName(own) ? own : this.#home);
      try {
        await this.#applyEndpoint(endpoint, namespace);
      } catch (error) {
        // Its namespace is none of Kubernetes'.
        const nowhere =
          error instanceof KubeError && error.reason === 'NotFound' && error.about === 'namespaces';
        if (!nowhere || namespace === this.#home) throw error;
        await this.#applyEndpoint(endpoint, this.#home);
      }
    });
  }

  async #applyEndpoint(endpoint: NetworkServiceEndpoint, namespace: string): Promise<void> {
    const object = endpointObject(endpoint, namespace, this.#home);
    const place = this.#placeOf(endpointKey(endpoint)) ?? { namespace, name: object.metadata.name };
    const owner = await this.#podOf(endpoint, namespace);
    const metadata = { ...object.metadata, ...place, ...(owner && { ownerReferences: [owner] }) };
    try {
      const options = { force: false, fieldManager: this.#fieldManager, timeoutMs: callMs };
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

  async removeEndpoint({ networkServiceHost: host, ...key }: EndpointRemoval): Promise<void> {
    await this.#explained(async () => {
      for (const place of this.#placesOf(key)) {
        await this.#retried(async () => {
          const object = await this.#find(endpointObjects, place.name, place.namespace);
          if (!object || (host && object.spec.networkServiceHost !== host)) return;
          if ((object.metadata.labels?.[labels.mesh] ?? this.#home) !== this.#home) return;
          await this.#kube.delete(endpointObjects, place, {
            preconditions: versionOf(object),
            timeoutMs: callMs,
          });
          this.#places.delete(endpointKey(key));
        });
      }
    });
  }

  async claim(name: string, holder: string): Promise<string> {
    return await this.#explained(async () => {
      const lease: Lease = {
        metadata: {
          name: claimName(name),
          namespace: this.#home,
          labels: { [labels.lease]: 'claim', [labels.manager]: labelValue(holder) },
          annotations: { [claimAnnotation]: name },
        },
        spec: { holderIdentity: holder },
      };
      for (let attempt = 1; ; attempt++) {
        try {
          await this.#kube.create(leases, lease, { timeoutMs: callMs });
          return holder;
        } catch (error) {
          if (!(error instanceof KubeError && error.reason === 'AlreadyExists') || attempt === attempts)
            throw error;
        }
        const present = await this.#find(leases, lease.metadata.name);
        if (present?.spec?.holderIdentity) return present.spec.holderIdentity;
      }
    });
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    await this.#explained(() =>
      this.#retried(async () => {
        const present = await this.#find(leases, claimName(name));
        if (present?.spec?.holderIdentity !== holder) return;
        const ref = { name: claimName(name), namespace: this.#home };
        await this.#kube.delete(leases, ref, { preconditions: versionOf(present), timeoutMs: callMs });
      }),
    );
  }

  #placeOf(key: string): Place | undefined {
    return this.#known.placeOf(key) ?? this.#places.get(key);
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

  #leaseOf(name: string): Place {
    return { name: `manager-${objectName(name)}`, namespace: this.#home };
  }

  #newLease(name: string, leaseMs: number, owner: OwnerReference): Lease {
    return {
      metadata: {
        ...this.#leaseOf(name),
        labels: { [labels.lease]: 'manager', [labels.manager]: labelValue(name) },
        ownerReferences: [owner],
      },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: Math.ceil(leaseMs / 1000),
        renewTime: apiTime(),
      },
    };
  }

  async #find<T extends ManagerObject | EndpointObject | Lease>(
    resource: Parameters<KubeClient['get']>[0] & { readonly shape?: T },
    name: string,
    namespace: string = this.#home,
  ): Promise<T | undefined> {
    try {
      return (await this.#kube.get(resource, { name, namespace }, { timeoutMs: callMs })) as T;
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }

  async #retried(write: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'Conflict') || attempt === attempts) throw error;
      }
    }
  }

  async #explained<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw asRegistryError(this.#url, error);
    }
  }
}

const claimAnnotation = 'networkservicemesh.io/claim';
const claimName = (name: string): string => `claim-${objectName(name)}`;

function ownerOf({ metadata }: ManagerObject): OwnerReference {
  return {
    apiVersion: 'networkservicemesh.io/v1',
    kind: managerObjects.kind,
    name: metadata.name,
    uid: metadata.uid ?? '',
  };
}

function versionOf({ metadata: { uid = '', resourceVersion = '' } }: { readonly metadata: JsonMeta }): {
  readonly uid: string;
  readonly resourceVersion: string;
} {
  return { uid, resourceVersion };
}

type JsonMeta = { readonly uid?: string; readonly resourceVersion?: string } & (JsonObject | object);
