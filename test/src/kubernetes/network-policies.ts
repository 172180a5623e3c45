// NetworkPolicies as rules of the nodes' netfilter, for clusters whose CNI plugin leaves them be. Only what the chart's objects have is
// known: https://kubernetes.io/docs/concepts/services-networking/network-policies/
import { isIPv6 } from 'node:net';
import { system } from './installation.js';
import { kubectl } from './kubectl.js';
import { power } from './power.js';

export interface Enforced extends AsyncDisposable {
  /** Packets that the policies forbid, until now. */
  refused(): Promise<number>;
}

interface Port {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number | string;
}

interface Rule {
  readonly ports: readonly Port[];
  readonly to?: readonly { readonly namespaceSelector: { readonly matchLabels: Labels } }[];
}

type Labels = Readonly<Record<string, string>>;

interface Policy {
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}

interface Pod {
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly {
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    }[];
  };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

const table = 'inet nsm-test-policies';

/** Holds the pods of the policies of the product's namespace to them, until it is disposed of. A pod's own node may always call it. */
export async function enforce(names: readonly string[]): Promise<Enforced> {
  const byNode = new Map<string, string[]>();
  for (const name of names) {
    const { spec } = await system.get<Policy>(`networkpolicy/${name}`);
    for (const pod of await system.list<Pod>('pods', selectorOf(spec.podSelector.matchLabels)))
      byNode.set(pod.spec.nodeName, [
        ...(byNode.get(pod.spec.nodeName) ?? []),
        ...(await rulesFor(pod, spec)),
      ]);
  }
  for (const [node, rules] of byNode)
    await power(
      'run',
      node,
      'nft',
      // Packets have the addresses of pods here, in place of Services'; what goes from pod to pod of one node passes as well.
      `table ${table} { chain passing { type filter hook forward priority 10; ct state established,related accept; ${rules.join('; ')}; }; }`,
    );
  const nodes = [...byNode.keys()];
  return {
    async refused() {
      const counts = await Promise.all(
        nodes.map((node) => power('run', node, 'nft', '-j', 'list', 'table', ...table.split(' '))),
      );
      return counts
        .flatMap((text) => [...text.matchAll(/"packets": (\d+)/g)])
        .reduce((sum, [, packets]) => sum + Number(packets), 0);
    },
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await power('run', node, 'nft', 'delete', 'table', ...table.split(' '));
    },
  };
}

/** What may come in and go out; the rest is counted, and dropped. */
async function rulesFor(
  { spec, status }: Pod,
  { ingress = [], egress = [] }: Policy['spec'],
): Promise<string[]> {
  const ports = new Map(
    spec.containers.flatMap((one) => one.ports).map((port) => [port.name, port.containerPort]),
  );
  const rules: string[] = [];
  for (const { ip } of status.podIPs) {
    const family = isIPv6(ip) ? 'ip6' : 'ip';
    const allow = (direction: 'saddr' | 'daddr', rule: Rule, others: string): void => {
      for (const { protocol, port } of rule.ports)
        rules.push(
          `${family} ${direction} ${ip} ${others} ${protocol.toLowerCase()} dport ${ports.get(String(port)) ?? port} accept`,
        );
    };
    for (const rule of ingress) allow('daddr', rule, '');
    for (const rule of egress) {
      const others = await Promise.all(
        (rule.to ?? []).map((to) => addressesOf(to.namespaceSelector.matchLabels)),
      );
      const own = others.flat().filter((other) => isIPv6(other) === isIPv6(ip));
      allow('saddr', rule, rule.to ? `${family} daddr { ${own.join(', ')} }` : '');
    }
    for (const direction of ['saddr', 'daddr']) rules.push(`${family} ${direction} ${ip} counter drop`);
  }
  return rules;
}

/** Of all pods in the namespaces that a selector selects. */
async function addressesOf(namespaceLabels: Labels): Promise<string[]> {
  const namespaces = await kubectl(['get', 'namespaces', '-l', selectorOf(namespaceLabels), '-o', 'name']);
  const all = await Promise.all(
    namespaces
      .trim()
      .split('\n')
      .map((name) =>
        kubectl([
          'get',
          'pods',
          '-n',
          name.replace('namespace/', ''),
          '-o',
          'jsonpath={.items[*].status.podIPs[*].ip}',
        ]),
      ),
  );
  return all.flatMap((text) => text.split(' ')).filter((text) => text !== '');
}

const selectorOf = (labels: Labels): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join();
