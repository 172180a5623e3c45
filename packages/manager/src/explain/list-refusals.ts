// What pods of this node were refused, for operators who ask afterwards.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { admin, NamespaceIdentity } from '@nsm/api';
import { forEachLimited } from '../limited-concurrency.js';
import type { Refusal } from '../state/kept-refusal.js';
import { identityOf, isSameNamespace } from '../state/namespace-identity.js';
import type { ExplainComponents } from './components.js';
import { whoAsks } from './who-asks.js';

/** Refusals told at most: the pod of each is looked for. */
const mostTold = 64;

export async function listRefusals(
  components: ExplainComponents,
  { from }: admin.ListRefusalsRequest,
): Promise<MessageInitShape<typeof admin.ListRefusalsReplySchema>> {
  const asker = from === '' ? undefined : await whoAsks(components, from);
  const recent = components.refusals.recent(asker?.namespace).slice(0, mostTold);
  const there = asker
    ? undefined
    : await whichAreThere(
        components,
        recent.map(({ pod }) => pod),
      );
  return {
    refusals: recent.filter(({ pod }) => there?.has(identityOf(pod)) ?? true).map(refusalInit),
    ...(asker ? { client: asker.client } : {}),
  };
}

/** Identities of the pods that have not ended. */
async function whichAreThere(
  { forwarder }: Pick<ExplainComponents, 'forwarder'>,
  pods: readonly NamespaceIdentity[],
): Promise<ReadonlySet<string | undefined>> {
  const byIdentity = new Map(pods.map((pod) => [identityOf(pod), pod]));
  const there = new Set<string | undefined>();
  await forEachLimited([...byIdentity], async ([identity, pod]) => {
    const { namespace } = await forwarder
      .inspectNamespace({ linuxNamespace: String(pod.inode) })
      .catch(() => ({ namespace: undefined }));
    if (isSameNamespace(namespace, pod)) there.add(identity);
  });
  return there;
}

export function refusalInit(refusal: Refusal): MessageInitShape<typeof admin.RefusalSchema> {
  const { client, networkServiceName, requestId, labels, interface: interfaces, error, at } = refusal;
  return {
    client,
    networkServiceName,
    requestId,
    interface: interfaces,
    ...(labels ? { labels } : {}),
    code: error.code,
    what: error.message,
    time: timestampFromMs(at),
  };
}
