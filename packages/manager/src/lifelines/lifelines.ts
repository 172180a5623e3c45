// What a node must reach past all its connections: the other ends of its tunnels, the other managers, the registry.
import { IpPrefix } from '@nsm/netlink';
import type { Node } from '../node.js';
import type { Lifeline } from './find-cut.js';

/** @param remote the other end of a tunnel that no connection has yet. */
export async function lifelinesOf(node: Node, remote?: string): Promise<Lifeline[]> {
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
