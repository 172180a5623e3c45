// What a lab file comes to: namespaces, networks, addresses and command lines. Pure; nothing is touched.
import { isIPv6 } from 'node:net';
import type { FlagValue, LabFile, Options } from '../file/lab-types.js';
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
        // No node has a dot in its name.
        ...['--pki-dir', `${folder}/.pki`],
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
