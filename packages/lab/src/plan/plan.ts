// What a lab file comes to: namespaces, networks, addresses and command lines. Pure; nothing is touched.
import { isIPv6 } from 'node:net';
import type { FlagValue, LabClient, LabEndpoint, LabFile, Options } from '../file/lab-types.js';
import { type Network, outsideOf, physical, underlayOf } from './plan-networks.js';

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
  const names: Names = {
    folder,
    namespaceOf,
    runDirOf: (node) => `${folder}/${node}`,
    nodeOf: (pod) => lab.pods[pod]?.node ?? '',
  };
  const underlay = underlayOf(lab, namespaceOf);
  const outside = Object.keys(lab.outside).map((name) => outsideOf(lab, name, namespaceOf));
  const physicals = Object.keys(lab.networks).map((name) => physical(lab, name, namespaceOf));
  return {
    name: lab.name,
    folder,
    members: membersOf(lab, namespaceOf),
    networks: [underlay, ...outside, ...physicals],
    managers: managersOf(lab, names, underlay),
    endpoints: lab.endpoints.map((endpoint) => endpointPlan(endpoint, names)),
    clients: lab.clients.map((client) => clientPlan(client, lab.name, names)),
    throughput: lab.throughput,
    checks: lab.checks.map(({ from, to }) => ({
      from,
      namespace: namespaceOf(from),
      to,
      addresses: outside.find(({ name }) => name === to)?.addresses.map((a) => a.split('/')[0] ?? '') ?? [to],
    })),
  };
}

/** How a lab names things, and where they are. */
interface Names {
  /** The lab's. */
  readonly folder: string;
  readonly namespaceOf: (member: string) => string;
  readonly runDirOf: (node: string) => string;
  readonly nodeOf: (pod: string) => string;
}

function membersOf(lab: LabFile, namespaceOf: Names['namespaceOf']): Member[] {
  const member = (role: Role) => (name: string) => ({ name, role, namespace: namespaceOf(name) });
  return [
    member('underlay')('underlay'),
    ...Object.keys(lab.outside).map(member('outside')),
    ...Object.keys(lab.networks).map(member('network')),
    ...Object.keys(lab.nodes).map((name) => ({ ...member('node')(name), node: name })),
    ...Object.entries(lab.pods).map(([name, { node }]) => ({ ...member('pod')(name), node })),
  ];
}

/** The first node has the registry, unless the lab file says otherwise. */
function managersOf(
  lab: LabFile,
  { folder, namespaceOf, runDirOf }: Names,
  underlay: Network,
): ManagerPlan[] {
  const placeOf = (node: string, port: number): string => {
    const plug = underlay.plugs.find(({ member }) => member === node);
    return hostAndPort(plug?.addresses[0]?.split('/')[0] ?? '', port);
  };
  const [firstNode = ''] = Object.keys(lab.nodes);
  return Object.entries(lab.nodes).map(([name, node]): ManagerPlan => {
    const address = placeOf(name, node.port);
    const first = placeOf(firstNode, lab.nodes[firstNode]?.port ?? node.port);
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
        // No node has a dot in its name.
        ...['--pki-dir', `${folder}/.pki`],
        ...flags(node.options),
      ],
      environment: node.environment,
    };
  });
}

function endpointPlan(endpoint: LabEndpoint, { namespaceOf, runDirOf, nodeOf }: Names): EndpointPlan {
  const { pod, kind, service = kind, name: provider = pod } = endpoint;
  const node = nodeOf(pod);
  return {
    name: `${pod}.endpoint.${provider}.${service}`,
    member: pod,
    namespace: namespaceOf(pod),
    service,
    provider,
    node,
    arguments: [
      ...['endpoint', kind, '--service', service, '--name', provider, '--run-dir', runDirOf(node)],
      ...labelFlags(endpoint.labels),
      ...flags(endpoint.options),
    ],
    environment: endpoint.environment,
  };
}

function clientPlan(client: LabClient, labName: string, names: Names): ClientPlan {
  const { pod, service, optional } = client;
  const requestId = client.request_id ?? `${labName}-${pod}`;
  const node = names.nodeOf(pod);
  return {
    name: `${pod}.client.${service}.${requestId}`,
    member: pod,
    namespace: names.namespaceOf(pod),
    service,
    requestId,
    node,
    optional,
    arguments: [
      ...['connect', service, '--request-id', requestId, '--run-dir', names.runDirOf(node)],
      ...(client.interface === undefined ? [] : [`--interface=${client.interface}`]),
      ...labelFlags(client.labels),
      ...flags(client.options),
    ],
    environment: client.environment,
  };
}

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
