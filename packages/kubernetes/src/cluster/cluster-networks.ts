// The networks of a cluster as its API tells of them: those of the Pods of each node, the nodes' own addresses, and those of Services.
import { deadline } from '@nsm/api';
import {
  Informer,
  type KubeClient,
  KubeError,
  type KubeLogger,
  type Node,
  nodes,
  type ServiceCidr,
  serviceCidrs,
} from '@nsm/kube-client';
import type { ClusterNetworks } from '@nsm/manager';
import { IpPrefix } from '@nsm/netlink';

export class KubernetesNetworks implements ClusterNetworks, AsyncDisposable {
  readonly #client: KubeClient;
  readonly #logger: KubeLogger;
  readonly #nodes: Informer<Node>;
  readonly #services: Informer<ServiceCidr>;
  readonly #listeners = new Set<() => void>();
  /** Each has been told of as a whole; what was told stays known while the API is away. */
  #nodesKnown = false;
  #servicesKnown = false;

  constructor(client: KubeClient, logger: KubeLogger) {
    this.#client = client;
    this.#logger = logger;
    this.#nodes = new Informer(client, nodes, { keep: networksOf, logger });
    this.#services = new Informer(client, serviceCidrs, { logger });
    this.#nodes.watch(({ type }) => {
      this.#nodesKnown ||= type === 'synced';
      this.#tell();
    });
    this.#services.watch(({ type }) => {
      this.#servicesKnown ||= type === 'synced';
      this.#tell();
    });
  }

  /** @returns those of all nodes and Services; undefined before both are known. */
  get prefixes(): readonly string[] | undefined {
    if (!this.#nodesKnown || !this.#servicesKnown) return undefined;
    return [
      ...prefixesOf(this.#nodes.values()),
      ...[...this.#services.values()].flatMap(({ spec }) => spec.cidrs),
    ];
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Begins to ask. Resolves when the prefixes are known, and after `patienceMs` at the latest. */
  async start(patienceMs: number): Promise<void> {
    this.#nodes.start();
    if (await this.#hasServiceCidrs(deadline(patienceMs))) this.#services.start();
    else {
      this.#servicesKnown = true;
      this.#logger.warn(
        {},
        "this cluster does not tell its Services' prefixes (Kubernetes 1.33 does): give them by --cluster-prefix",
      );
    }
    await Promise.all(
      [this.#nodes, ...(this.#servicesKnown ? [] : [this.#services])].map((one) =>
        one.whenSynced(patienceMs),
      ),
    );
    const tellPods = [...this.#nodes.values()].some(({ spec }) => spec.podCIDR || spec.podCIDRs);
    if (this.#nodesKnown && !tellPods)
      this.#logger.warn(
        {},
        "this cluster's Nodes do not tell their Pods' prefixes: give them by --cluster-prefix",
      );
    this.#tell();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#nodes.stop(), this.#services.stop()]);
  }

  /** True also while nobody answers. */
  async #hasServiceCidrs(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.list(serviceCidrs, {}, () => undefined, { signal });
      return true;
    } catch (error) {
      return !(error instanceof KubeError && error.status === 404);
    }
  }

  #tell(): void {
    if (this.prefixes) for (const listener of this.#listeners) listener();
  }
}

/** Of a node nothing else is kept: its status changes every few minutes. */
function networksOf({ metadata: { name, resourceVersion = '', uid = '' }, spec, status }: Node): Node {
  const { podCIDR, podCIDRs } = spec;
  return {
    metadata: { name, uid, resourceVersion },
    spec: { ...(podCIDR ? { podCIDR } : {}), ...(podCIDRs ? { podCIDRs } : {}) },
    status: { addresses: status?.addresses ?? [] },
  } as Node;
}

/** What is no address, as a host name, is left out. */
export function prefixesOf(all: Iterable<Node>): string[] {
  return [...all].flatMap(({ spec: { podCIDR, podCIDRs }, status }) => [
    ...(podCIDRs ?? (podCIDR ? [podCIDR] : [])),
    ...(status?.addresses ?? []).flatMap(({ address }) => {
      const parsed = IpPrefix.parseAddress(address);
      return parsed ? [String(parsed.host)] : [];
    }),
  ]);
}
