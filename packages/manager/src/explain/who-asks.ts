// The pod that would ask, as an operator names it: its network namespace, who it is to the policy, and the names its interfaces have.
import { create } from '@bufbuild/protobuf';
import { type forwarder as fw, NsmError, type Subject, SubjectSchema } from '@nsm/api';
import type { NamedPod } from '../node-pods.js';
import { quote } from '../untrusted-text.js';
import type { ExplainComponents } from './components.js';

export interface Asker {
  readonly client: Subject;
  readonly namespace: fw.Namespace;
  readonly interfaceNames: readonly string[];
}

type Components = Pick<ExplainComponents, 'forwarder' | 'pods' | 'subjects'>;

/**
 * @param from a network namespace as a client names it, or `namespace/name` of a pod of this node.
 * @param said facts that go before those that are known. Who is in a network namespace that is no pod's counts as root.
 * @throws NsmError `namespace-unknown`, or what the forwarder says.
 */
export async function whoAsks(
  components: Components,
  from: string,
  said: Subject = create(SubjectSchema),
): Promise<Asker> {
  const { forwarder, subjects, pods } = components;
  const pod = podOf(components, from);
  const asked = { linuxNamespace: pod ? String(pod.inode) : from, interfaces: true };
  const { namespace, interfaces } = await forwarder.inspectNamespace(asked).catch((error: unknown) => {
    const { kind, message } = NsmError.from(error);
    // Where pods have names of two parts, the first is easily forgotten.
    if (kind !== 'namespace-unknown' || !pods || from.includes('/')) throw error;
    throw new NsmError(kind, `${message}; a pod of this node is named NAMESPACE/NAME`, error);
  });
  if (!namespace) throw new NsmError('namespace-unknown', `network namespace ${quote(from)} does not exist`);
  const { uid, gid } = pod ?? { uid: 0, gid: 0 };
  const known = subjects.of({ uid: said.uid ?? uid, gid: said.gid ?? gid }, namespace);
  const { kubernetes = said.kubernetes } = known;
  const client = {
    ...known,
    netns: said.netns || known.netns,
    labels: { ...known.labels, ...said.labels },
    ...(kubernetes ? { kubernetes } : {}),
  };
  return { client, namespace, interfaceNames: interfaces };
}

/** Undefined where it names a network namespace. @throws NsmError `namespace-unknown` for a pod that has none here. */
function podOf({ pods }: Components, from: string): NamedPod | undefined {
  if (!/^[^/]+\/[^/]+$/.test(from)) return undefined;
  const pod = pods?.named(from);
  if (pod && pod.inode !== 0) return pod;
  throw new NsmError(
    'namespace-unknown',
    pod === undefined
      ? `pod ${quote(from)} is not known on this node${pods ? ': ask the manager of its node' : ', whose manager runs without Kubernetes'}`
      : `pod ${quote(from)} has no network namespace of its own, or none yet`,
  );
}
