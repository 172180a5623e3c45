// What is wrong with a lab whose file has the right shape.
import { abbreviatedList } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { dotted, meant, type Problem } from '@nsm/yaml-file';
import { endpointKinds } from './lab-schema.js';
import type { LabFile } from './lab-types.js';
import { Subnet } from './subnet.js';

/** Names and addresses that do not fit together. */
export function problemsOf(lab: LabFile): Problem[] {
  const problems: Problem[] = [];
  const add = (path: PropertyKey[], text: string): void => {
    problems.push({ path, text: `${dotted(path)}: ${text}` });
  };
  const oneOf = (path: PropertyKey[], name: string, what: string, names: readonly string[]): void => {
    if (!names.includes(name))
      add(
        path,
        `${JSON.stringify(name)} is no ${what} of this lab${meant(name, names)}; accepted: ${abbreviatedList(names) || 'none, as the lab has none'}`,
      );
  };
  const nodes = Object.keys(lab.nodes);
  const pods = Object.keys(lab.pods);
  const outside = Object.keys(lab.outside);
  const networks = Object.keys(lab.networks);
  const members = [...nodes, ...pods, ...outside];

  if (nodes.length === 0) add(['nodes'], 'a lab needs at least one node');
  for (const reserved of ['underlay', 'logs', 'processes'])
    for (const [kind, names] of Object.entries({ nodes, pods, outside, networks }))
      if (names.includes(reserved))
        add([kind, reserved], `the name ${JSON.stringify(reserved)} is taken by the lab itself`);
  for (const name of pods)
    if (nodes.includes(name)) add(['pods', name], `there is also a node of the name ${JSON.stringify(name)}`);
  for (const name of outside)
    if (nodes.includes(name) || pods.includes(name))
      add(['outside', name], `there is also a node or pod of the name ${JSON.stringify(name)}`);
  for (const [name, devices] of Object.entries(lab.networks)) {
    if (members.includes(name))
      add(
        ['networks', name],
        `there is also a node, pod or outside host of the name ${JSON.stringify(name)}`,
      );
    for (const node of Object.keys(devices)) oneOf(['networks', name, node], node, 'node', nodes);
  }

  const underlay = Subnet.parse(lab.underlay.prefix);
  if (underlay && underlay.hosts < nodes.length)
    add(
      ['underlay', 'prefix'],
      `${underlay} has room for ${underlay.hosts} nodes; the lab has ${nodes.length}`,
    );
  const taken = new Map<string, string>();
  for (const [name, { address }] of Object.entries(lab.nodes)) {
    if (address === undefined) continue;
    const path = ['nodes', name, 'address'];
    if (!underlay?.contains(address))
      add(path, `${JSON.stringify(address)} is not an address in the underlay's ${lab.underlay.prefix}`);
    const other = taken.get(address);
    if (other) add(path, `${JSON.stringify(address)} is node ${other}'s already`);
    taken.set(address, name);
  }

  for (const [name, pod] of Object.entries(lab.pods)) {
    oneOf(['pods', name, 'node'], pod.node, 'node', nodes);
    for (const [index, link] of pod.links.entries()) {
      const path = ['pods', name, 'links', index];
      oneOf(path, link, 'outside host', outside);
      if (pod.links.indexOf(link) < index) add(path, `${JSON.stringify(link)} is there twice`);
    }
  }
  for (const [name, { prefix }] of Object.entries(lab.outside)) {
    const linked = Object.values(lab.pods).filter((pod) => pod.links.includes(name)).length;
    for (const [index, text] of prefix.entries()) {
      const subnet = Subnet.parse(text);
      if (subnet && subnet.hosts < linked + 1)
        add(
          ['outside', name, 'prefix', index],
          `${subnet} has room for ${subnet.hosts} addresses; ${linked + 1} are needed`,
        );
    }
  }

  const providers = new Set<string>();
  const offered = lab.endpoints.map(({ service, kind }) => service ?? kind);
  for (const [index, endpoint] of lab.endpoints.entries()) {
    oneOf(['endpoints', index, 'pod'], endpoint.pod, 'pod', pods);
    const { kind } = endpoint;
    if (!endpointKinds.includes(kind))
      add(
        ['endpoints', index, 'kind'],
        `${JSON.stringify(kind)} is no kind of endpoint${meant(kind, endpointKinds)}; accepted: ${endpointKinds.join(', ')}`,
      );
    const key = `${endpoint.service ?? endpoint.kind} by ${endpoint.name ?? endpoint.pod}`;
    if (providers.has(key))
      add(['endpoints', index], `${key} is there twice; give one of them another \`name\``);
    providers.add(key);
  }
  const requests = new Set<string>();
  for (const [index, client] of lab.clients.entries()) {
    oneOf(['clients', index, 'pod'], client.pod, 'pod', pods);
    // A registry of its own may know services that this file does not.
    if (Object.values(lab.nodes).every(({ registry }) => registry === undefined))
      oneOf(['clients', index, 'service'], client.service, 'service', [...new Set(offered)]);
    const key = `${client.request_id ?? client.pod} for ${client.service}`;
    if (requests.has(key))
      add(['clients', index], `${key} is there twice; give one of them another \`request_id\``);
    requests.add(key);
  }
  for (const [index, check] of lab.checks.entries()) {
    oneOf(['checks', index, 'from'], check.from, 'member', members);
    if (!IpPrefix.parseAddress(check.to)) oneOf(['checks', index, 'to'], check.to, 'outside host', outside);
  }
  return problems;
}
