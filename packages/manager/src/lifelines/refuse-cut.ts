// Never cut the branch: what would lead a node's own lifelines into a connection is refused before the kernel is touched.
import {
  type ConnectionParameters,
  type forwarder as fw,
  type InterfaceType,
  NsmError,
  traitsOf,
} from '@nsm/api';
import type { Steps } from '@nsm/observe';
import { addressesOf } from '../admission/admission.js';
import { findCut } from './find-cut.js';
import { type LifelinesComponents, lifelinesOf } from './lifelines.js';

interface CheckedSide {
  readonly side: 'client' | 'endpoint';
  readonly type: InterfaceType;
  readonly namespace: fw.Namespace;
  readonly parameters: ConnectionParameters;
  /** Name of the endpoint that gives routes and addresses. */
  readonly endpoint: string;
  /** Address of the other end of the connection's tunnel; undefined where there is none. */
  readonly remote?: string | undefined;
}

/**
 * Pods route what they like. In the namespaces that this node itself sends from, the tunnels, the managers and the registry
 * must stay within reach. What has no device brings no routes.
 * @throws NsmError `own-branch` that names route, lifeline and what to do.
 */
export async function refuseCut(
  components: LifelinesComponents,
  course: Pick<Steps, 'step'>,
  sides: readonly CheckedSide[],
): Promise<void> {
  await course.step('see whether it cuts ways off', () => refuse(components, sides));
}

async function refuse(components: LifelinesComponents, sides: readonly CheckedSide[]): Promise<void> {
  for (const { side, type, namespace, parameters, endpoint, remote } of sides) {
    if (!traitsOf(type).hasDevice) continue;
    if (!namespace.node && namespace.inode !== components.self.namespaceInode) continue;
    const own = new Set(namespace.addresses);
    const lifelines = (await lifelinesOf(components, remote)).filter(({ address }) => !own.has(address));
    const cut = findCut(lifelines, namespace.prefixes, {
      routes: parameters.route,
      addresses: addressesOf(parameters),
    });
    if (!cut) continue;
    const { by, lifeline } = cut;
    const elsewhere = side === 'client' ? 'ask' : 'serve';
    throw new NsmError(
      'own-branch',
      `${by}, which endpoint "${endpoint}" gives, would lead what node "${components.self.name}" sends to ${lifeline.address}, ` +
        `${lifeline.what}, into the connection itself; nothing was changed: have the endpoint give what leaves that ` +
        `address out, give the node a more specific route to it, or ${elsewhere} from a pod with a network of its own`,
    );
  }
}
