// Never cut the branch: what would lead a node's own lifelines into a connection is refused before the kernel is touched.
import { type ConnectionParameters, type forwarder as fw, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { addressesOf } from '../admission/admission.js';
import type { Node } from '../node.js';
import { findCut, type Lifeline } from './find-cut.js';

export interface Side {
  readonly side: 'client' | 'endpoint';
  readonly namespace: fw.Namespace;
  readonly parameters: ConnectionParameters;
  /** Of the endpoint that gives routes and addresses. */
  readonly endpoint: string;
  /** Address of the other end of the connection's tunnel. */
  readonly remote?: string;
}

/**
 * Pods route what they like. In the namespaces that this node itself sends from, the tunnels, the managers and the registry
 * must stay within reach.
 * @throws NsmError `own-branch` that names route, lifeline and what to do.
 */
export async function refuseCut(node: Node, sides: readonly Side[]): Promise<void> {
  for (const { side, namespace, parameters, endpoint, remote } of sides) {
    if (!namespace.node && namespace.inode !== node.namespaceInode) continue;
    const own = new Set(namespace.addresses);
    const lifelines = (await lifelinesOf(node, remote)).filter(({ address }) => !own.has(address));
    const cut = findCut(lifelines, namespace.prefixes, {
      routes: parameters.route,
      addresses: addressesOf(parameters),
    });
    if (!cut) continue;
    const { by, lifeline } = cut;
    const elsewhere = side === 'client' ? 'ask' : 'serve';
    throw new NsmError(
      'own-branch',
      `${by}, which endpoint "${endpoint}" gives, would lead what node "${node.name}" sends to ${lifeline.address}, ` +
        `${lifeline.what}, into the connection itself; nothing was changed: have the endpoint give what leaves that ` +
        `address out, give the node a more specific route to it, or ${elsewhere} from a pod with a network of its own`,
    );
  }
}

async function lifelinesOf(node: Node, remote: string | undefined): Promise<Lifeline[]> {
  const { connections, registry, peers } = node;
  const found = new Map<string, string>();
  const add = (text: string, what: string): void => {
    const address = IpPrefix.parseAddress(text)?.address;
    if (address === undefined || address.startsWith('127.')) return;
    if (!found.has(address)) found.set(address, what);
  };
  if (remote) add(remote, 'the other end of its tunnel');
  for (const { peer, crossConnect } of connections.values())
    add(crossConnect.tunnel?.remote ?? '', `the other end of tunnels to node "${peer?.manager}"`);
  const others = [...registry.managers().values()].filter(({ name }) => name !== node.name);
  const served = others.map(({ name, address }) => ({ address, what: `manager "${name}"` }));
  const [, registryAddress] = /^\w+:\/\/(.+)$/.exec(registry.url) ?? [];
  if (registryAddress) served.push({ address: registryAddress, what: `the registry ${registry.url}` });
  await Promise.all(
    served.map(async ({ address, what }) => {
      for (const resolved of await peers.addressesOf(address)) add(resolved, what);
    }),
  );
  return [...found].map(([address, what]) => ({ address, what }));
}
