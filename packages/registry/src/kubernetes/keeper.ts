// What one manager does for all: it marks managers whose lease has run out, and writes down the state of endpoints and services.
import { Informer, type KubeClient, KubeError, type Lease, leases } from '@nsm/kube-client';
import type { Clock } from '../clock.js';
import { LeaseTable } from '../embedded/lease-table.js';
import type { RegistryLogger } from '../registry.js';
import { lengthOf } from './manager-writes.js';
import {
  type EndpointStatus,
  endpointObjects,
  labels,
  managerObjects,
  type PolicyObject,
  policyObjects,
  type ServiceObject,
  serviceObjects,
} from './mesh-objects.js';
import { leaseName, objectName } from './object-names.js';
import type { KeptEndpoint, KeptManager } from './record-objects.js';
import { RemovedManagers } from './removed-managers.js';

export interface KeeperComponents {
  readonly kube: KubeClient;
  readonly home: string;
  readonly endpoints: Informer<KeptEndpoint>;
  readonly managers: Informer<KeptManager>;
  readonly services: Informer<ServiceObject>;
  readonly clock: Clock;
  readonly logger: RegistryLogger;
}

/** Milliseconds in which changes are gathered before states are written. */
const gatherMs = 500;
/** Milliseconds until what could not be written is tried again. */
const retryMs = 2000;
/** Statuses that are written at the same time: the API server has others to serve. */
const lanes = 4;

/** Keeps until the signal aborts. */
export function keep(components: KeeperComponents, ended: AbortSignal): void {
  if (ended.aborted) return;
  const keeper = new Keeper(components);
  ended.addEventListener('abort', () => void keeper.stop(), { once: true });
}

class Keeper {
  readonly #components: KeeperComponents;
  readonly #leases: LeaseTable;
  readonly #renewals: Informer<Lease>;
  /** Only that there are such objects: services may refer to them. */
  readonly #policies: Informer<PolicyObject>;
  readonly #watches: Disposable[];
  readonly #removed: RemovedManagers;
  #gathering: Disposable | undefined;
  #writing = false;
  #stopped = false;

  constructor(components: KeeperComponents) {
    this.#components = components;
    const { kube, home: namespace, clock, logger, managers, endpoints, services } = components;
    this.#leases = new LeaseTable(clock, (name) => void this.#depose(name));
    this.#removed = new RemovedManagers(components, (name) => this.#manager(name) === undefined);
    const labelSelector = `${labels.lease}=manager`;
    this.#renewals = new Informer(kube, leases, { namespace, labelSelector, logger, keep: holderOnly });
    this.#policies = new Informer(kube, policyObjects, { namespace, logger, keep: nothingButName });
    this.#watches = [
      this.#renewals.watch((event) => {
        if (event.type === 'added' || event.type === 'changed')
          this.#renewed(event.object.spec?.holderIdentity ?? '');
        // While nothing is heard, nobody is deposed; afterwards each has a whole lease to say that it is there.
        else if (event.type === 'synced')
          for (const { record } of managers.values()) this.#renewed(record?.name ?? '');
        else if (event.type === 'away') this.#leases.clear();
      }),
      managers.watch((event) => {
        if ('object' in event) this.#managerChanged(event.object, event.type === 'deleted');
        this.#gather();
      }),
      endpoints.watch(() => this.#gather()),
      services.watch(() => this.#gather()),
      this.#policies.watch(({ type }) => {
        if (type !== 'changed') this.#gather();
      }),
    ];
    this.#renewals.start();
    this.#policies.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#gathering?.[Symbol.dispose]();
    this.#removed.stop();
    this.#leases.clear();
    await Promise.all([this.#renewals.stop(), this.#policies.stop()]);
  }

  #managerChanged({ record }: KeptManager, deleted: boolean): void {
    if (!record) return;
    if (deleted) this.#removed.add(record.name);
    if (deleted || !record.alive) this.#leases.drop(record.name);
    else if (!this.#leases.has(record.name)) this.#renewed(record.name);
  }

  #renewed(name: string): void {
    const manager = this.#manager(name);
    const asked = manager?.spec.leaseMs;
    if (!manager?.record?.alive || asked === undefined || !this.#renewals.synced) return;
    const lease = this.#renewals.get(`${this.#components.home}/${leaseName(name)}`);
    this.#leases.renew(name, lengthOf(lease) ?? asked);
  }

  #manager(name: string): KeptManager | undefined {
    const { managers, home } = this.#components;
    return name === '' ? undefined : managers.get(`${home}/${objectName(name)}`);
  }

  /** Only if it is as it was seen: a manager that comes back at this moment writes its state as well. */
  async #depose(name: string): Promise<void> {
    const { kube, logger } = this.#components;
    const manager = this.#manager(name);
    if (!manager?.record?.alive) return;
    const { resourceVersion = '', ...ref } = manager.metadata;
    const status = { state: 'Lost', since: new Date().toISOString() };
    try {
      await kube.patch(
        managerObjects,
        ref,
        { metadata: { resourceVersion }, status },
        { subresource: 'status' },
      );
      logger.info({ peer: name }, 'the lease of a manager has run out');
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'NotFound') return;
      if (!(error instanceof KubeError && error.reason === 'Conflict'))
        logger.warn({ peer: name, err: error }, 'cannot write down that the lease of a manager has run out');
      if (!this.#stopped) this.#leases.renew(name, retryMs);
    }
  }

  #gather(delayMs = gatherMs): void {
    if (this.#stopped || this.#gathering) return;
    this.#gathering = this.#components.clock.after(delayMs, () => {
      this.#gathering = undefined;
      if (this.#writing) return this.#gather();
      this.#writing = true;
      void this.#writeStates().finally(() => {
        this.#writing = false;
      });
    });
  }

  async #writeStates(): Promise<void> {
    const { endpoints, managers } = this.#components;
    if (!endpoints.synced || !managers.synced) return;
    const writes = [...this.#endpointWrites(), ...this.#serviceWrites()].values();
    const lane = async (): Promise<void> => {
      for (const write of writes) {
        if (this.#stopped) return;
        await write();
      }
    };
    try {
      await Promise.all(Array.from({ length: lanes }, lane));
    } catch (error) {
      this.#components.logger.warn({ err: error }, 'cannot write the states of endpoints and services');
      this.#gather(retryMs);
    }
  }

  *#endpointWrites(): Generator<() => Promise<void>> {
    for (const object of this.#components.endpoints.values()) {
      // Another mesh's.
      if (!object.record && object.refusal === undefined) continue;
      const wanted = this.#stateOf(object);
      const { state, message = '', manager } = object.status ?? {};
      if (state === wanted.state && message === (wanted.message ?? '') && manager === wanted.manager)
        continue;
      yield () => this.#patch(endpointObjects, object.metadata, { message: null, ...wanted });
    }
  }

  #stateOf({ record, refusal }: KeptEndpoint): EndpointStatus {
    if (!record) return { state: 'Refused', ...(refusal && { message: refusal }) };
    const manager = record.networkServiceHost;
    const known = this.#manager(manager)?.record;
    if (known?.alive) return { state: 'Serving', manager };
    if (known?.stopped) return { state: 'Stopped', manager, message: 'its manager has stopped' };
    const message = known ? 'its manager is silent' : `there is no NetworkServiceManager ${manager}`;
    return { state: 'Lost', manager, message };
  }

  *#serviceWrites(): Generator<() => Promise<void>> {
    const { services } = this.#components;
    if (!services.synced || !this.#policies.synced || services.size === 0) return;
    const counts = new Map<string, number>();
    for (const { record } of this.#components.endpoints.values()) {
      if (!record || !this.#manager(record.networkServiceHost)?.record?.alive) continue;
      counts.set(record.networkServiceName, (counts.get(record.networkServiceName) ?? 0) + 1);
    }
    for (const { metadata, spec, status } of services.values()) {
      const endpoints = counts.get(spec.name ?? metadata.name) ?? 0;
      const { state, message = '' } = this.#stateOfService(spec.policy, endpoints);
      if (status?.endpoints === endpoints && status.state === state && (status.message ?? '') === message)
        continue;
      const written = { endpoints, state, message: message === '' ? null : message };
      yield () => this.#patch(serviceObjects, metadata, written);
    }
  }

  #stateOfService(
    policy: string | undefined,
    endpoints: number,
  ): Pick<NonNullable<ServiceObject['status']>, 'state' | 'message'> {
    if (policy && !this.#policies.get(`${this.#components.home}/${policy}`))
      return {
        state: 'NoPolicy',
        message: `there is no NetworkServicePolicy ${policy}: only the rules of others are in force for this service`,
      };
    return { state: endpoints > 0 ? 'Available' : 'NoEndpoint' };
  }

  async #patch(
    resource: Parameters<KubeClient['patch']>[0],
    { name, namespace = '' }: { readonly name: string; readonly namespace?: string },
    status: object,
  ): Promise<void> {
    try {
      await this.#components.kube.patch(resource, { name, namespace }, { status }, { subresource: 'status' });
    } catch (error) {
      if (!(error instanceof KubeError && error.reason === 'NotFound')) throw error;
    }
  }
}

function nothingButName({
  metadata: { name, namespace = '', resourceVersion = '' },
}: PolicyObject): PolicyObject {
  return { metadata: { name, namespace, resourceVersion }, spec: {} };
}

function holderOnly({ metadata, spec }: Lease): Lease {
  const { name, namespace = '', resourceVersion = '' } = metadata;
  return {
    metadata: { name, namespace, resourceVersion },
    spec: {
      holderIdentity: spec?.holderIdentity ?? '',
      ...(spec?.leaseDurationSeconds !== undefined && { leaseDurationSeconds: spec.leaseDurationSeconds }),
    },
  };
}
