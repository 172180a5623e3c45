// The pods of this node, and what their namespaces are annotated with: as the API tells, and as the kernel knows them.
import type { Informer, KubeObject } from '@nsm/kube-client';
import type { Annotations } from '../annotation/merge-annotations.js';
import { cgroupUidOf, hasEnded, type Pod, uidOf } from './pod.js';
import type { PodCgroups } from './pod-cgroups.js';
import { type Sandbox, Sandboxes } from './sandboxes.js';

export interface PodDirectoryComponents {
  readonly pods: Informer<Pod>;
  readonly namespaces: Informer<KubeObject>;
  readonly cgroups: PodCgroups;
}

export type PodListener = (uid: string) => void;

export class PodDirectory {
  readonly #components: PodDirectoryComponents;
  readonly #sandboxes: Sandboxes;
  readonly #byUid = new Map<string, Pod>();
  readonly #byCgroup = new Map<string, string>();
  readonly #listeners = new Set<PodListener>();

  constructor(components: PodDirectoryComponents) {
    this.#components = components;
    this.#sandboxes = new Sandboxes(components.cgroups, {
      onEnd: (cgroup) => {
        const uid = this.#byCgroup.get(cgroup);
        if (uid !== undefined) this.#tell(uid);
      },
    });
    components.pods.watch((event) => {
      if (event.type === 'added') this.#put(event.object);
      else if (event.type === 'deleted') this.#remove(event.object);
      else if (event.type === 'changed') {
        // Another pod of the same name may have taken its place between two looks.
        if (uidOf(event.before) !== uidOf(event.object)) this.#remove(event.before);
        this.#put(event.object);
      } else if (event.type === 'synced') this.#tellAll();
    });
    components.namespaces.watch((event) => {
      if (event.type === 'synced') this.#tellAll();
      else if (event.type !== 'away') this.#tellAll(event.object.metadata.name);
    });
  }

  start(): void {
    this.#components.pods.start();
    this.#components.namespaces.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#components.pods.stop(), this.#components.namespaces.stop()]);
    this.#listeners.clear();
    this.#sandboxes.stop();
  }

  /** Resolves when pods and namespaces are known, and after `patienceMs` at the latest. */
  async whenSynced(patienceMs: number): Promise<boolean> {
    const { pods, namespaces } = this.#components;
    const synced = await Promise.all([pods.whenSynced(patienceMs), namespaces.whenSynced(patienceMs)]);
    return synced.every((one) => one);
  }

  /** Tells of each pod that there is, and of each that changes, goes, or has lost its sandbox. */
  watch(listener: PodListener): void {
    this.#listeners.add(listener);
    for (const uid of [...this.#byUid.keys()]) listener(uid);
  }

  get(uid: string): Pod | undefined {
    return this.#byUid.get(uid);
  }

  has(uid: string): boolean {
    return this.#byUid.has(uid);
  }

  /** @param name `namespace/name`. */
  named(name: string): Pod | undefined {
    return [...this.#byUid.values()].find(
      ({ metadata }) => `${metadata.namespace}/${metadata.name}` === name,
    );
  }

  /** Annotations of a namespace; undefined while it is not known. */
  annotationsOf(namespace: string): Annotations | undefined {
    const found = this.#components.namespaces.get(namespace);
    return found && (found.metadata.annotations ?? {});
  }

  /** Undefined for a pod that has the node's own network, or none yet. */
  sandboxOf(pod: Pod): Sandbox | undefined {
    if (pod.spec.hostNetwork || hasEnded(pod)) return undefined;
    return this.#sandboxes.of(cgroupUidOf(pod));
  }

  /** Whether kubelet's cgroups are seen at all. */
  get seesCgroups(): boolean {
    return this.#components.cgroups.found;
  }

  /** Looks for the sandboxes of pods that have not been looked for yet, when it is none of those that are known. */
  podIn(inode: number): Pod | undefined {
    const known = this.#knownIn(inode);
    if (known) return known;
    for (const pod of this.#byUid.values()) {
      if (this.#sandboxes.has(cgroupUidOf(pod))) continue;
      if (this.sandboxOf(pod)?.inode === inode) return pod;
    }
    return undefined;
  }

  #knownIn(inode: number): Pod | undefined {
    const cgroup = this.#sandboxes.podIn(inode);
    const uid = cgroup === undefined ? undefined : this.#byCgroup.get(cgroup);
    return uid === undefined ? undefined : this.#byUid.get(uid);
  }

  #put(pod: Pod): void {
    this.#byUid.set(uidOf(pod), pod);
    this.#byCgroup.set(cgroupUidOf(pod), uidOf(pod));
    this.#tell(uidOf(pod));
  }

  #remove(pod: Pod): void {
    this.#byUid.delete(uidOf(pod));
    this.#byCgroup.delete(cgroupUidOf(pod));
    this.#sandboxes.forget(cgroupUidOf(pod));
    this.#tell(uidOf(pod));
  }

  #tell(uid: string): void {
    for (const listener of this.#listeners) listener(uid);
  }

  #tellAll(namespace?: string): void {
    for (const [uid, pod] of [...this.#byUid])
      if (namespace === undefined || pod.metadata.namespace === namespace) this.#tell(uid);
  }
}

/** Of a namespace only its annotations of ours. */
export function keptOfNamespace({ metadata }: KubeObject): KubeObject {
  const { name, resourceVersion, annotations = {} } = metadata;
  return {
    metadata: {
      name,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      annotations: Object.fromEntries(
        Object.entries(annotations).filter(([key]) => /networkservicemesh\.io$/.test(key)),
      ),
    },
  };
}
