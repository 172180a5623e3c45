// What a lab file comes to: namespaces, networks, addresses and command lines. Pure; nothing is touched.
import { isIPv6 } from 'node:net';
import type { FlagValue, LabFile, Options } from './lab-types.js';
import { Subnet } from './subnet.js';

export type Role = 'underlay' | 'outside' | 'network' | 'node' | 'pod';

/** One network namespace. */
export interface Member {
  readonly name: string;
  readonly role: Role;
  /** Name under /run/netns. */
  readonly namespace: string;
  /** Of a pod: where it is; of a node: itself. */
  readonly node?: string;
}

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

/** A process of the lab: `nsm` with these arguments in this namespace. */
export interface Program {
  /** Name of its log and of its record; unique in the lab. */
  readonly name: string;
  readonly member: string;
  readonly namespace: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface ManagerPlan extends Program {
  readonly address: string;
  readonly runDir: string;
}

export interface EndpointPlan extends Program {
  readonly service: string;
  readonly provider: string;
  readonly node: string;
}

export interface ClientPlan extends Program {
  readonly service: string;
  readonly requestId: string;
  readonly node: string;
  /** What this machine cannot do is no failure. */
  readonly optional: boolean;
}

export interface CheckPlan {
  readonly from: string;
  readonly namespace: string;
  readonly to: string;
  readonly addresses: readonly string[];
}

export interface Plan {
  readonly name: string;
  readonly folder: string;
  readonly members: readonly Member[];
  readonly networks: readonly Network[];
  readonly managers: readonly ManagerPlan[];
  readonly endpoints: readonly EndpointPlan[];
  readonly clients: readonly ClientPlan[];
  readonly checks: readonly CheckPlan[];
  /** Whether throughput is measured as well. */
  readonly throughput: boolean;
}

/** Lays a checked lab out; `labsFolder` is where every lab has its folder. */
export function planLab(lab: LabFile, labsFolder: string): Plan {
  const folder = `${labsFolder}/${lab.name}`;
  const namespaceOf = (member: string): string => `nsm-${lab.name}-${member}`;
  const member = (role: Role) => (name: string) => ({ name, role, namespace: namespaceOf(name) });
  const runDirOf = (node: string): string => `${folder}/${node}`;
  const nodeOf = (pod: string): string => lab.pods[pod]?.node ?? '';

  const underlay = underlayOf(lab, namespaceOf);
  const outside = Object.keys(lab.outside).map((name) => outsideOf(lab, name, namespaceOf));
  const [firstNode = ''] = Object.keys(lab.nodes);
  const addressOf = (node: string): string =>
    underlay.plugs.find((plug) => plug.member === node)?.addresses[0]?.split('/')[0] ?? '';

  const managers = Object.entries(lab.nodes).map(([name, node]): ManagerPlan => {
    const address = hostAndPort(addressOf(name), node.port);
    const first = hostAndPort(addressOf(firstNode), lab.nodes[firstNode]?.port ?? node.port);
    const registry = node.registry ?? (name === firstNode ? 'embedded:' : `nsm://${first}`);
    const runDir = runDirOf(name);
    return {
      name,
      member: name,
      namespace: namespaceOf(name),
      address,
      runDir,
      arguments: [
        'manager',
        ...['--name', name, '--run-dir', runDir, '--state-dir', `${runDir}/state`],
        ...['--listen', address, '--advertise', address, '--registry', registry],
        ...flags(node.options),
      ],
      environment: node.environment,
    };
  });

  const endpoints = lab.endpoints.map((endpoint): EndpointPlan => {
    const service = endpoint.service ?? endpoint.kind;
    const provider = endpoint.name ?? endpoint.pod;
    const node = nodeOf(endpoint.pod);
    return {
      name: `${endpoint.pod}.endpoint.${provider}.${service}`,
      member: endpoint.pod,
      namespace: namespaceOf(endpoint.pod),
      service,
      provider,
      node,
      arguments: [
        ...['endpoint', endpoint.kind, '--service', service, '--name', provider, '--run-dir', runDirOf(node)],
        ...labelFlags(endpoint.labels),
        ...flags(endpoint.options),
      ],
      environment: endpoint.environment,
    };
  });

  const clients = lab.clients.map((client): ClientPlan => {
    const requestId = client.request_id ?? `${lab.name}-${client.pod}`;
    const node = nodeOf(client.pod);
    return {
      name: `${client.pod}.client.${client.service}.${requestId}`,
      member: client.pod,
      namespace: namespaceOf(client.pod),
      service: client.service,
      requestId,
      node,
      optional: client.optional,
      arguments: [
        ...['connect', client.service, '--request-id', requestId, '--run-dir', runDirOf(node)],
        ...(client.interface === undefined ? [] : [`--interface=${client.interface}`]),
        ...labelFlags(client.labels),
        ...flags(client.options),
      ],
      environment: client.environment,
    };
  });

  return {
    name: lab.name,
    folder,
    members: [
      member('underlay')('underlay'),
      ...Object.keys(lab.outside).map(member('outside')),
      ...Object.keys(lab.networks).map(member('network')),
      ...Object.keys(lab.nodes).map((name) => ({ ...member('node')(name), node: name })),
      ...Object.entries(lab.pods).map(([name, { node }]) => ({ ...member('pod')(name), node })),
    ],
    networks: [
      underlay,
      ...outside,
      ...Object.keys(lab.networks).map((name) => physical(lab, name, namespaceOf)),
    ],
    managers,
    endpoints,
    clients,
    throughput: lab.throughput,
    checks: lab.checks.map(({ from, to }) => ({
      from,
      namespace: namespaceOf(from),
      to,
      addresses: outside.find(({ name }) => name === to)?.addresses.map((a) => a.split('/')[0] ?? '') ?? [to],
    })),
  };
}

function underlayOf(lab: LabFile, namespaceOf: (member: string) => string): Network {
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

function outsideOf(lab: LabFile, name: string, namespaceOf: (member: string) => string): Network {
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

function physical(lab: LabFile, name: string, namespaceOf: (member: string) => string): Network {
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

const hostAndPort = (address: string, port: number): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;

function flags(options: Options): string[] {
  // The value stands behind an equals sign: it may begin with a dash.
  const one = (name: string, value: FlagValue): string =>
    value === true ? `--${name}` : value === false ? `--no-${name}` : `--${name}=${value}`;
  return Object.entries(options).flatMap(([name, value]) =>
    [value].flat().map((each) => one(name, each as FlagValue)),
  );
}

const labelFlags = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`);
