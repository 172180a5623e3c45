// The pod that would ask, as an operator names it: its network namespace, who it is to the policy, and the names its interfaces have.
import { create } from '@bufbuild/protobuf';
import { type forwarder as fw, NsmError, type Subject, SubjectSchema } from '@nsm/api';
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
 * @param said facts that go before those that are known. Who is not known to be another user is root.
 * @throws NsmError `namespace-unknown`, or what the forwarder says.
 */
export async function whoAsks(
  components: Components,
  from: string,
  said: Subject = create(SubjectSchema),
): Promise<Asker> {
  const { forwarder, subjects } = components;
  const { namespace, interfaces } = await forwarder.inspectNamespace({
    linuxNamespace: referenceTo(components, from),
    interfaces: true,
  });
  if (!namespace) throw new NsmError('namespace-unknown', `network namespace ${quote(from)} does not exist`);
  const known = subjects.of({ uid: said.uid ?? 0, gid: said.gid ?? 0 }, namespace);
  const { kubernetes = said.kubernetes } = known;
  const client = {
    ...known,
    netns: said.netns || known.netns,
    labels: { ...known.labels, ...said.labels },
    ...(kubernetes ? { kubernetes } : {}),
  };
  return { client, namespace, interfaceNames: interfaces };
}

/** Of a pod the inode of its namespace; all else as it was named. @throws NsmError `namespace-unknown` */
function referenceTo({ pods }: Components, from: string): string {
  if (!/^[^/]+\/[^/]+$/.test(from)) return from;
  const inode = pods?.namespaceOf(from);
  if (inode) return String(inode);
  throw new NsmError(
    'namespace-unknown',
    inode === undefined
      ? `pod ${quote(from)} is not known on this node${pods ? ': ask the manager of its node' : ', whose manager runs without Kubernetes'}`
      : `pod ${quote(from)} has no network namespace of its own, or none yet`,
  );
}
