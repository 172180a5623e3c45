// The networks that the interfaces of a pod are in, each with the interface that has it.
import type { forwarder as fw } from '@nsm/api';
import { IpPrefix, openNamespace, RouteSocket } from '@nsm/netlink';
import { explain } from './explain.js';

export type NetworkReport = Pick<fw.Network, 'prefix' | 'interface' | 'id'>;

/** An address of lo makes no network, and every interface is in the link-local one. @throws NsmError `namespace-unknown` */
export function listNetworks({ inode, path }: fw.Namespace): NetworkReport[] {
  try {
    using namespace = openNamespace({ inode, hint: path });
    using socket = RouteSocket.open(namespace);
    const links = new Map(socket.links().map((link) => [link.index, link]));
    return socket.addresses().flatMap(({ index, family, address, peer, prefixLength, scope }) => {
      const { name = `#${index}`, alias = '' } = links.get(index) ?? {};
      if (name === 'lo' || (family === 'ipv6' && scope === 'link')) return [];
      // The network of a point-to-point address is its peer's (ip-address(8)).
      const networks = [IpPrefix.of(peer === undefined ? address : `${peer}/${prefixLength}`).network];
      if (peer !== undefined) networks.push(IpPrefix.of(address).host);
      return networks.map((network) => ({ prefix: String(network), interface: name, id: alias }));
    });
  } catch (error) {
    throw explain(error);
  }
}
