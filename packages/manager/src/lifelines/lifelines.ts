// What a node must reach past all its connections: the other ends of its tunnels, the other managers, the registry.
import { IpPrefix } from '@nsm/netlink';
import type { Registry } from '@nsm/registry';
import type { PeerManagers } from '../peers/peer-managers.js';
import type { Self } from '../self.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { Lifeline } from './find-cut.js';

export interface LifelinesComponents {
  readonly self: Self;
  readonly connections: Pick<ConnectionTable, 'values'>;
  readonly registry: Pick<Registry, 'managers' | 'url'>;
  readonly peers: Pick<PeerManagers, 'addressesOf'>;
}

/** @param remote the other end of a tunnel that no connection has yet. */
export async function lifelinesOf(
  { self, connections, registry, peers }: LifelinesComponents,
  remote?: string,
): Promise<Lifeline[]> {
  const found = new Map<string, string>();
  const add = (text: string, what: string): void => {
    const address = IpPrefix.parseAddress(text)?.address;
    if (address === undefined || address.startsWith('127.')) return;
    if (!found.has(address)) found.set(address, what);
  };
  if (remote) add(remote, 'the other end of its tunnel');
  for (const { peer, crossConnect } of connections.values())
    add(crossConnect.tunnel?.remote ?? '', `the other end of tunnels to node "${peer?.manager}"`);
  const others = [...registry.managers().values()].filter(({ name }) => name !== self.name);
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
