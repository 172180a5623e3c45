// What is wrong with a lab whose file has the right shape.
import { abbreviatedList } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { dotted, meant, type Problem } from '@nsm/yaml-file';
import { endpointKinds } from './lab-schema.js';
import type { LabFile } from './lab-types.js';
import { Subnet } from './subnet.js';

/** Names and addresses that do not fit together. */
export function problemsOf(lab: LabFile): Problem[] {
  const check = new LabFileCheck(lab);
  check.names();
  check.networks();
  check.underlay();
  check.pods();
  check.outside();
  check.endpoints();
  check.clients();
  check.checks();
  return check.problems;
}

class LabFileCheck {
  readonly problems: Problem[] = [];
  readonly #lab: LabFile;
  readonly #nodes: readonly string[];
  readonly #pods: readonly string[];
  readonly #outside: readonly string[];

  constructor(lab: LabFile) {
    this.#lab = lab;
    this.#nodes = Object.keys(lab.nodes);
    this.#pods = Object.keys(lab.pods);
    this.#outside = Object.keys(lab.outside);
  }

  names(): void {
    const [nodes, pods, outside] = [this.#nodes, this.#pods, this.#outside];
    const networks = Object.keys(this.#lab.networks);
    if (nodes.length === 0) this.#add(['nodes'], 'a lab needs at least one node');
    for (const reserved of ['underlay', 'logs', 'processes'])
      for (const [kind, names] of Object.entries({ nodes, pods, outside, networks }))
        if (names.includes(reserved))
          this.#add([kind, reserved], `the name ${JSON.stringify(reserved)} is taken by the lab itself`);
    for (const name of pods) if (nodes.includes(name)) this.#add(['pods', name], thereIsAlso('node', name));
    for (const name of outside)
      if (nodes.includes(name) || pods.includes(name))
        this.#add(['outside', name], thereIsAlso('node or pod', name));
  }

  networks(): void {
    for (const [name, devices] of Object.entries(this.#lab.networks)) {
      if (this.#members.includes(name))
        this.#add(['networks', name], thereIsAlso('node, pod or outside host', name));
      for (const node of Object.keys(devices))
        this.#oneOf(['networks', name, node], node, 'node', this.#nodes);
    }
  }

  underlay(): void {
    const { underlay, nodes } = this.#lab;
    const subnet = Subnet.parse(underlay.prefix);
    const count = this.#nodes.length;
    if (subnet && subnet.hosts < count)
      this.#add(['underlay', 'prefix'], `${subnet} has room for ${subnet.hosts} nodes; the lab has ${count}`);
    const taken = new Map<string, string>();
    for (const [name, { address }] of Object.entries(nodes)) {
      if (address === undefined) continue;
      const path = ['nodes', name, 'address'];
      if (!subnet?.contains(address))
        this.#add(path, `${JSON.stringify(address)} is not an address in the underlay's ${underlay.prefix}`);
      const other = taken.get(address);
      if (other) this.#add(path, `${JSON.stringify(address)} is node ${other}'s already`);
      taken.set(address, name);
    }
  }

  pods(): void {
    for (const [name, pod] of Object.entries(this.#lab.pods)) {
      this.#oneOf(['pods', name, 'node'], pod.node, 'node', this.#nodes);
      for (const [index, link] of pod.links.entries()) {
        const path = ['pods', name, 'links', index];
        this.#oneOf(path, link, 'outside host', this.#outside);
        if (pod.links.indexOf(link) < index) this.#add(path, `${JSON.stringify(link)} is there twice`);
      }
    }
  }

  outside(): void {
    const { outside, pods } = this.#lab;
    for (const [name, { prefix }] of Object.entries(outside)) {
      const linked = Object.values(pods).filter((pod) => pod.links.includes(name)).length;
      for (const [index, text] of prefix.entries()) {
        const subnet = Subnet.parse(text);
        if (subnet && subnet.hosts < linked + 1)
          this.#add(
            ['outside', name, 'prefix', index],
            `${subnet} has room for ${subnet.hosts} addresses; ${linked + 1} are needed`,
          );
      }
    }
  }

  endpoints(): void {
    const providers = new Set<string>();
    for (const [index, { pod, kind, service = kind, name = pod }] of this.#lab.endpoints.entries()) {
      this.#oneOf(['endpoints', index, 'pod'], pod, 'pod', this.#pods);
      if (!endpointKinds.includes(kind))
        this.#add(
          ['endpoints', index, 'kind'],
          `${JSON.stringify(kind)} is no kind of endpoint${meant(kind, endpointKinds)}; accepted: ${endpointKinds.join(', ')}`,
        );
      const key = `${service} by ${name}`;
      if (providers.has(key))
        this.#add(['endpoints', index], `${key} is there twice; give one of them another \`name\``);
      providers.add(key);
    }
  }

  clients(): void {
    const { nodes, endpoints, clients } = this.#lab;
    const offered = new Set(endpoints.map(({ service, kind }) => service ?? kind));
    // A registry of its own may know services that this file does not.
    const isWhole = Object.values(nodes).every(({ registry }) => registry === undefined);
    const requests = new Set<string>();
    for (const [index, { pod, service, request_id: requestId = pod }] of clients.entries()) {
      this.#oneOf(['clients', index, 'pod'], pod, 'pod', this.#pods);
      if (isWhole) this.#oneOf(['clients', index, 'service'], service, 'service', [...offered]);
      const key = `${requestId} for ${service}`;
      if (requests.has(key))
        this.#add(['clients', index], `${key} is there twice; give one of them another \`request_id\``);
      requests.add(key);
    }
  }

  checks(): void {
    for (const [index, { from, to }] of this.#lab.checks.entries()) {
      this.#oneOf(['checks', index, 'from'], from, 'member', this.#members);
      if (!IpPrefix.parseAddress(to)) this.#oneOf(['checks', index, 'to'], to, 'outside host', this.#outside);
    }
  }

  get #members(): readonly string[] {
    return [...this.#nodes, ...this.#pods, ...this.#outside];
  }

  #add(path: PropertyKey[], text: string): void {
    this.problems.push({ path, text: `${dotted(path)}: ${text}` });
  }

  #oneOf(path: PropertyKey[], name: string, what: string, names: readonly string[]): void {
    if (names.includes(name)) return;
    const accepted = abbreviatedList(names) || 'none, as the lab has none';
    this.#add(
      path,
      `${JSON.stringify(name)} is no ${what} of this lab${meant(name, names)}; accepted: ${accepted}`,
    );
  }
}

function thereIsAlso(what: string, name: string): string {
  return `there is also a ${what} of the name ${JSON.stringify(name)}`;
}
