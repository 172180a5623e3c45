// The networks of a lab: bridges in namespaces of their own, and what is plugged into each. Pure; nothing is touched.
import type { LabFile } from '../file/lab-types.js';
import { Subnet } from '../file/subnet.js';

/** A bridge in one namespace, and what is plugged into it. */
export interface Network {
  readonly name: string;
  readonly namespace: string;
  readonly mtu: number;
  /** The bridge's own, with prefix length; none for the underlay. */
  readonly addresses: readonly string[];
  readonly plugs: readonly Plug[];
}

/** A veth from a network into a member. */
export interface Plug {
  readonly member: string;
  readonly namespace: string;
  readonly interface: string;
  /** Name of the other end, on the bridge. */
  readonly port: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** Next hops of the member's default routes, at most one of each family. */
  readonly gateways: readonly string[];
}

/** The network of the nodes. */
export function underlayOf(lab: LabFile, namespaceOf: (member: string) => string): Network {
  const subnet = parsed(lab.underlay.prefix);
  const taken = new Set(Object.values(lab.nodes).map(({ address }) => address));
  let next = 1;
  const nextFree = (): string => {
    while (taken.has(subnet.host(next))) next++;
    return subnet.host(next++);
  };
  return {
    name: 'underlay',
    namespace: namespaceOf('underlay'),
    mtu: lab.underlay.mtu,
    addresses: [],
    plugs: Object.entries(lab.nodes).map(([name, { address }], index) => ({
      member: name,
      namespace: namespaceOf(name),
      interface: 'eth0',
      port: portName(name, index),
      addresses: [`${address ?? nextFree()}/${subnet.length}`],
      gateways: [],
    })),
  };
}

/** A network beyond the mesh, which pods are plugged into. */
export function outsideOf(lab: LabFile, name: string, namespaceOf: (member: string) => string): Network {
  const { prefix = [], mtu = 1500 } = lab.outside[name] ?? {};
  const subnets = prefix.map(parsed);
  const host = (index: number): string[] => subnets.map((subnet) => `${subnet.host(index)}/${subnet.length}`);
  const linked = Object.entries(lab.pods).filter(([, pod]) => pod.links.includes(name));
  return {
    name,
    namespace: namespaceOf(name),
    mtu,
    addresses: host(1),
    plugs: linked.map(([pod, { links }], index) => ({
      member: pod,
      namespace: namespaceOf(pod),
      interface: name,
      port: portName(pod, index),
      addresses: host(index + 2),
      // The first outside host of a family is where the pod's other traffic goes.
      gateways: subnets
        .filter(
          ({ family }, at) =>
            subnets.findIndex((subnet) => subnet.family === family) === at &&
            !links
              .slice(0, links.indexOf(name))
              .some((earlier) => lab.outside[earlier]?.prefix.some((text) => parsed(text).family === family)),
        )
        .map((subnet) => subnet.host(1)),
    })),
  };
}

/** A physical network that devices of nodes are on. */
export function physical(lab: LabFile, name: string, namespaceOf: (member: string) => string): Network {
  const devices = Object.entries(lab.networks[name] ?? {}).flatMap(([node, names]) =>
    names.map((device) => ({ node, device })),
  );
  return {
    name,
    namespace: namespaceOf(name),
    mtu: 1500,
    addresses: [],
    plugs: devices.map(({ node, device }, index) => ({
      member: node,
      namespace: namespaceOf(node),
      interface: device,
      port: portName(`${node}-${device}`, index),
      addresses: [],
      gateways: [],
    })),
  };
}

function parsed(prefix: string): Subnet {
  const subnet = Subnet.parse(prefix);
  if (!subnet) throw new TypeError(`${prefix} was not checked`);
  return subnet;
}

// Linux allows 15 bytes (IFNAMSIZ): a longer member's port is known by its number.
const portName = (member: string, index: number): string =>
  member.length <= 15 ? member : `port${index + 1}`;
