// Who asks or provides, as facts for the policy: what the kernel says of a process, and what a certificate says of a manager.
import { create } from '@bufbuild/protobuf';
import {
  type CallContext,
  type NamespaceIdentity,
  type NetworkServiceEndpoint,
  type PeerCredentials,
  type Subject,
  SubjectSchema,
} from '@nsm/api';
import type { NodePods } from '../node-pods.js';
import type { Self } from '../self.js';
import { NamespaceNames } from './namespace-names.js';
import type { PolicySource } from './policy-source.js';

/** Of managers whose certificates name none. */
const defaultDomain = 'nsm';

export interface SubjectsComponents {
  readonly self: Pick<Self, 'name' | 'domain'>;
  readonly guard: { speaksForOthers(peer: PeerCredentials): boolean };
  readonly source: Pick<PolicySource, 'policy'>;
  readonly pods: Pick<NodePods, 'podIn'> | undefined;
}

export class Subjects {
  readonly #components: SubjectsComponents;
  readonly #names = new NamespaceNames();

  constructor(components: SubjectsComponents) {
    this.#components = components;
  }

  /** A process in, or asking for, a network namespace. */
  of(
    { uid, gid, pid = 0 }: Pick<PeerCredentials, 'uid' | 'gid'> & { readonly pid?: number },
    { inode, cookie }: NamespaceIdentity,
  ): Subject {
    const { self, guard, source, pods } = this.#components;
    const kubernetes = pods?.podIn(inode)?.facts;
    const netns = this.#names.of(inode);
    return create(SubjectSchema, {
      netns,
      inode,
      cookie: cookie === 0n ? '' : String(cookie),
      pid,
      uid,
      gid,
      labels: source.policy?.labelsOf(netns, inode) ?? {},
      ...(kubernetes ? { kubernetes } : {}),
      manager: self.name,
      domain: self.domain || defaultDomain,
      trusted: uid === 0 || guard.speaksForOthers({ uid, gid, pid: 0 }),
    });
  }

  /** A subject that an operator describes is on this node, and has the policy's labels, unless it is told otherwise. */
  described(subject: Subject): Subject {
    const { labels } = this.again(subject);
    const manager = subject.manager || this.#components.self.name;
    return { ...subject, manager, labels: { ...labels, ...subject.labels } };
  }

  /** The same subject after its policy or its pod has changed: the labels are those of now. */
  again(subject: Subject): Subject {
    const { source, pods } = this.#components;
    const labels = source.policy?.labelsOf(subject.netns, subject.inode) ?? {};
    const kubernetes = pods?.podIn(subject.inode)?.facts;
    return { ...subject, labels, ...(kubernetes ? { kubernetes } : {}) };
  }
}

/** The client of another manager: of the manager's own word are only the facts, not the manager's name. */
export function foreignClient(
  said: Subject | undefined,
  claimedManager: string,
  { identity }: Pick<CallContext, 'identity'>,
): Subject {
  const manager = identity?.name ?? claimedManager;
  return { ...(said ?? create(SubjectSchema)), manager, domain: identity?.domain ?? defaultDomain };
}

/** Who serves an endpoint: on another node by the word of its manager, which the registry knows by name. */
export function providerOf({ provider, networkServiceHost }: NetworkServiceEndpoint): Subject {
  return { ...(provider ?? create(SubjectSchema)), manager: networkServiceHost };
}
