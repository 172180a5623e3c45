// Managers: an object, a Lease that is renewed, and a Service of the manager's name.
import { equals } from '@bufbuild/protobuf';
import { NsmError, registry as wire } from '@nsm/api';
import { apiTime, type KubeClient, type Lease, leases, type OwnerReference } from '@nsm/kube-client';
import { validManager } from '../records/valid-record.js';
import type { ManagerRecord, RegistryLogger } from '../registry.js';
import {
  attempts,
  callMs,
  fieldManagerOf,
  find,
  isReason,
  type Place,
  type WriteComponents,
} from './api-writes.js';
import { asRegistryError } from './explain.js';
import { leaseLength, renewalsPerLease } from './lease-length.js';
import { labels, type ManagerObject, managerObjects } from './mesh-objects.js';
import { labelValue, leaseName, objectName } from './object-names.js';
import { announce, withdraw } from './own-service.js';
import { keptManager, managerObject } from './record-objects.js';

/** What the registry's copy has of a manager: as new as its watch is. */
export type KnownManager = (name: string) => wire.Manager | undefined;

interface Written {
  readonly record: wire.Manager;
  readonly leaseMs: number;
  /** What is held of it at the moment, and since when, milliseconds. */
  readonly heldMs: number;
  readonly since: number;
}

export class ManagerWrites {
  readonly #kube: KubeClient;
  readonly #known: KnownManager;
  readonly #url: string;
  readonly #home: string;
  readonly #logger: RegistryLogger;
  readonly #count: () => number;
  /** Managers as they were last written, with their lease. */
  readonly #written = new Map<string, Written>();
  /** Leases of names that are wanted here and are another's, as they look, and since when. */
  readonly #holders = new Map<string, { readonly version: string; readonly since: number }>();

  /** @param count how many managers the mesh has. */
  constructor({ kube, url, home, logger }: WriteComponents, known: KnownManager, count: () => number) {
    this.#kube = kube;
    this.#known = known;
    this.#count = count;
    this.#url = url;
    this.#home = home;
    this.#logger = logger;
  }

  async register(manager: ManagerRecord, leaseMs: number): Promise<void> {
    const record = validManager(manager);
    const before = this.#written.get(record.name);
    const known = this.#known(record.name);
    const renewal =
      before?.leaseMs === leaseMs &&
      equals(wire.ManagerSchema, before.record, record) &&
      known !== undefined &&
      equals(wire.ManagerSchema, known, record);
    const heldMs = leaseLength(leaseMs, this.#count(), before?.heldMs);
    const now = performance.now();
    // Half of a period early rather than late: the next call comes after a whole one.
    const dueMs = heldMs / renewalsPerLease - leaseMs / renewalsPerLease / 2;
    if (renewal && heldMs > leaseMs && before.heldMs === heldMs && now - before.since < dueMs) return;
    if (renewal && (await this.#renew(record.name, heldMs))) {
      this.#written.set(record.name, { record, leaseMs, heldMs, since: now });
      return;
    }
    const owner = await this.#write(record, leaseMs);
    // Without a Service it is found by its address; the next renewal tries again.
    if (await this.#announced(record, owner))
      this.#written.set(record.name, { record, leaseMs, heldMs: leaseMs, since: now });
  }

  /** Its Lease and EndpointSlice go with it. */
  async remove(name: string): Promise<void> {
    this.#written.delete(name);
    await withdraw(this.#kube, name, this.#home);
    await this.#kube.delete(managerObjects, this.#placeOf(name));
  }

  async endLease(name: string): Promise<void> {
    this.#written.delete(name);
    try {
      await this.#tellState(name, 'Stopped');
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error;
    }
  }

  async #tellState(name: string, state: 'Alive' | 'Stopped'): Promise<void> {
    const status = { state, since: new Date().toISOString() };
    const options = { subresource: 'status', timeoutMs: callMs } as const;
    await this.#kube.patch(managerObjects, this.#placeOf(name), { status }, options);
  }

  async #announced(record: wire.Manager, owner: OwnerReference): Promise<boolean> {
    try {
      await announce(this.#kube, record, owner, this.#home);
      return true;
    } catch (error) {
      const peer = record.name;
      this.#logger.warn(
        { peer, err: asRegistryError(this.#url, error) },
        'a manager has no Service of its own',
      );
      return false;
    }
  }

  /** @returns false when there is no lease to renew. */
  async #renew(name: string, heldMs: number): Promise<boolean> {
    try {
      const patch = { spec: { renewTime: apiTime(), leaseDurationSeconds: secondsOf(heldMs) } };
      await this.#kube.patch(leases, this.#leaseOf(name), patch, { timeoutMs: callMs });
      return true;
    } catch (error) {
      if (isReason(error, 'NotFound')) return false;
      throw error;
    }
  }

  /** @returns a reference to the manager's object. */
  async #write(record: wire.Manager, leaseMs: number): Promise<OwnerReference> {
    const object = managerObject(record, leaseMs, this.#home);
    const options = { timeoutMs: callMs, fieldManager: fieldManagerOf(this.#home) };
    for (let attempt = 1; ; attempt++) {
      const present = await find(this.#kube, managerObjects, this.#placeOf(record.name));
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
        if (applied.status?.state !== 'Alive') await this.#tellState(record.name, 'Alive');
        this.#holders.delete(record.name);
        return owner;
      } catch (error) {
        if (!isReason(error, 'Conflict') || attempt === attempts) throw error;
      }
    }
  }

  /** Whether the lease has looked the same for as long as it holds: nobody need have written down that its holder is lost. */
  async #isSilent(name: string, present: ManagerObject | undefined): Promise<boolean> {
    if (present?.spec.leaseMs === undefined) return false;
    const lease = await find(this.#kube, leases, this.#leaseOf(name));
    const leaseMs = lengthOf(lease) ?? present.spec.leaseMs;
    const version = lease?.metadata.resourceVersion ?? '';
    const seen = this.#holders.get(name);
    if (seen?.version === version) return performance.now() - seen.since > leaseMs;
    this.#holders.set(name, { version, since: performance.now() });
    return false;
  }

  #placeOf(name: string): Place {
    return { name: objectName(name), namespace: this.#home };
  }

  #leaseOf(name: string): Place {
    return { name: leaseName(name), namespace: this.#home };
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
        leaseDurationSeconds: secondsOf(leaseMs),
        renewTime: apiTime(),
      },
    };
  }
}

const secondsOf = (leaseMs: number): number => Math.ceil(leaseMs / 1000);

/** Milliseconds for which a Lease holds; undefined where it does not say. */
export function lengthOf(lease: Lease | undefined): number | undefined {
  const { leaseDurationSeconds } = lease?.spec ?? {};
  return leaseDurationSeconds === undefined ? undefined : leaseDurationSeconds * 1000;
}

function ownerOf({ metadata }: ManagerObject): OwnerReference {
  return {
    apiVersion: 'networkservicemesh.io/v1',
    kind: managerObjects.kind,
    name: metadata.name,
    uid: metadata.uid ?? '',
  };
}
