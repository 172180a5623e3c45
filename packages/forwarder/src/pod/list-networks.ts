// The networks that the interfaces of a pod are in, or lead to, each with the interface that has it.
import type { forwarder as fw } from '@nsm/api';
import { IpPrefix, openNamespace } from '@nsm/netlink';
import { explain } from '../explain.js';
import { openPod } from '../port/open-pod.js';
import { ownProtocol } from './device-routes.js';
import { bestTo } from './keep-routes.js';

export type NetworkReport = Pick<fw.Network, 'prefix' | 'interface' | 'id' | 'routed'>;

/**
 * An address of lo makes no network, every interface is in the link-local one, and a default route leads to none.
 * @param cluster prefixes that are reached by the pod's own default route, which leads to them as a route of their own would.
 * @throws NsmError `namespace-unknown`
 */
export function listNetworks(
  { inode, path }: fw.Namespace,
  cluster: readonly string[] = [],
): NetworkReport[] {
  try {
    using namespace = openNamespace({ inode, hint: path });
    using socket = openPod(namespace);
    const links = new Map(socket.links().map((link) => [link.index, link]));
    const on = (index: number): Pick<NetworkReport, 'interface' | 'id'> => {
      const { name = `#${index}`, alias = '' } = links.get(index) ?? {};
      return { interface: name, id: alias };
    };
    const connected = socket.addresses().flatMap(({ index, family, address, peer, prefixLength, scope }) => {
      const device = on(index);
      if (device.interface === 'lo' || (family === 'ipv6' && scope === 'link')) return [];
      // The network of a point-to-point address is its peer's (ip-address(8)).
      const networks = [IpPrefix.of(peer === undefined ? address : `${peer}/${prefixLength}`).network];
      if (peer !== undefined) networks.push(IpPrefix.of(address).host);
      return networks.map((network) => ({ prefix: String(network), ...device, routed: false }));
    });
    const routes = socket.routes();
    const own = routes.filter(({ protocol }) => protocol !== ownProtocol);
    const kept = cluster.flatMap((prefix) => {
      const way = bestTo(IpPrefix.of(prefix), own);
      return way ? [{ ...way, destination: prefix }] : [];
    });
    const routed = [...routes, ...kept]
      .filter(({ protocol, destination }) => protocol !== 'kernel' && destination !== 'default')
      .map(({ destination, device, multipath: [first] }) => ({
        prefix: destination,
        ...on(device ?? first?.device ?? 0),
        routed: true,
      }));
    return [...connected, ...routed];
  } catch (error) {
    throw explain(error);
  }
}
