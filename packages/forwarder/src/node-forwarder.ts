// The dataplane of one node: its engines are begun and ended here, and what the manager asks of it is answered.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type capture, type forwarder as fw, NsmError, type ServiceImplementation } from '@nsm/api';
import { IpPrefix, RouteSocket } from '@nsm/netlink';
import { Benches } from './bench/bench.js';
import { SourceFilters } from './bpf/source-filters.js';
import { TunnelEngine } from './bpf/tunnel-engine.js';
import { type CapabilitiesReport, capabilitiesOf } from './capabilities.js';
import { Captures } from './capture/captures.js';
import { allWirings, type VxlanEngine } from './cross-connect/all-wirings.js';
import type { TriedWiring } from './cross-connect/choose-wiring.js';
import { compareCrossConnect } from './cross-connect/compare-cross-connect.js';
import { CrossConnects } from './cross-connect/cross-connects.js';
import { type FoundReport, findInterfaces } from './cross-connect/find-interfaces.js';
import { Reaper } from './deletion/reaper.js';
import { observeDrops } from './drops/observe-drops.js';
import { explain } from './explain.js';
import { SharedEngine } from './interfaces/shared/shared-engine.js';
import { SharedSockets } from './interfaces/shared/shared-sockets.js';
import { Lending } from './lending/lending.js';
import type { LendingOptions } from './lending/lending-options.js';
import { LoanBook } from './lending/loan-book.js';
import { defaultMemoryLimits, type MemoryLimits } from './memory-limits.js';
import { nodeId } from './node-id.js';
import { NodeWatch } from './node-watch.js';
import { inspectNamespace, type NamespaceInspection } from './pod/inspect-namespace.js';
import { listNetworks, type NetworkReport } from './pod/list-networks.js';
import { removeScaffolding } from './port/device-groups.js';
import type { Side } from './port/wiring.js';
import { requirePrivileges } from './privileges.js';
import { type ProbeReport, probe } from './probe/probe.js';
import { readStatistics } from './statistics/read-statistics.js';
import type { StatisticsReport } from './statistics/statistics.js';
import { type Offer, TunnelOffers } from './underlay/tunnel-offer.js';
import { keepUnderlayRoutes } from './underlay/underlay-routes.js';

type ForwarderService = ServiceImplementation<typeof fw.Forwarder>;

export interface NodeForwarderOptions {
  /** What carries VXLAN where both can: eBPF as all other kinds, or the kernel's own device in the pod. Default `ebpf`. */
  readonly vxlanEngine?: VxlanEngine;
  /** The manager's run directory, below which pods meet by sockets. Without it there is no shared memory. */
  readonly runDir?: string;
  /** Devices of the node that may be given to pods. Default: none. */
  readonly lending?: LendingOptions;
  /** How much memory applications may share with it. Default: see `defaultMemoryLimits`. */
  readonly memory?: MemoryLimits;
}

export class NodeForwarder implements ForwarderService {
  readonly #socket: RouteSocket;
  readonly #watch: NodeWatch;
  readonly #reaper = new Reaper();
  readonly #tunnels: TunnelEngine;
  /** Undefined where eBPF does not work. */
  readonly #sources: SourceFilters | undefined;
  readonly #offers: TunnelOffers;
  readonly #sockets: SharedSockets;
  readonly #shared: SharedEngine;
  readonly #memory: MemoryLimits;
  readonly #lending: Lending;
  readonly #crossConnects: CrossConnects;
  readonly #captures: Captures;
  readonly #benches = new Benches();
  readonly #wirings: readonly TriedWiring[];
  /** The cluster's own prefixes; undefined until the manager tells them. */
  #cluster: readonly string[] | undefined;

  constructor({
    vxlanEngine = 'ebpf',
    runDir,
    lending = {},
    memory = defaultMemoryLimits,
  }: NodeForwarderOptions = {}) {
    requirePrivileges();
    this.#socket = RouteSocket.open();
    removeScaffolding(this.#socket);
    this.#watch = new NodeWatch(this.#socket);
    this.#tunnels = new TunnelEngine(this.#socket, runDir ?? '');
    this.#sources = this.#tunnels.isLoaded ? new SourceFilters() : undefined;
    this.#sockets = new SharedSockets(runDir);
    this.#shared = new SharedEngine(this.#sockets, this.#tunnels.isLoaded, memory, (ids) =>
      this.#watch.lost(ids),
    );
    this.#memory = memory;
    const { folder, underlay = [], onStep } = lending;
    this.#lending = new Lending(this.#socket, new LoanBook(folder, nodeId()), underlay, onStep);
    const node = { socket: this.#socket };
    const engines = {
      tunnels: this.#tunnels,
      sockets: this.#sockets,
      shared: this.#shared,
      lending: this.#lending,
    };
    const wirings = allWirings(engines, vxlanEngine, lending);
    this.#wirings = wirings.map((wiring) => ({ wiring, missing: wiring.probe(node) }));
    removeScaffolding(this.#socket);
    this.#crossConnects = new CrossConnects({
      ...engines,
      socket: this.#socket,
      watch: this.#watch,
      reaper: this.#reaper,
      sources: this.#sources,
      wirings: this.#wirings,
      cluster: () => this.#cluster,
    });
    this.#captures = new Captures(this.#socket);
    const working = this.#wirings.flatMap(({ wiring, missing }) => (missing ? [] : [wiring]));
    this.#offers = new TunnelOffers(this.#socket, working, () =>
      this.#watch.tell({ event: { case: 'offersChanged', value: true } }),
    );
  }

  async stop(): Promise<void> {
    this.#watch.stop();
    this.#offers.stop();
    await this.#reaper.stop();
    await this.#shared.stop();
    await this.#sockets.stop();
    this.#tunnels.stop();
    this.#sources?.stop();
    this.#socket.close();
  }

  async getCapabilities(): Promise<CapabilitiesReport> {
    const { sharedMemoryMib: limit, userFactor } = this.#memory;
    return {
      ...capabilitiesOf(this.#wirings),
      nodeId: nodeId(),
      memory: { ...this.#shared.memoryUse, limit, limitOfUser: limit * userFactor },
    };
  }

  async placeSockets({
    id,
    client,
    endpoint,
  }: fw.PlaceSocketsRequest): Promise<{ client: string; endpoint: string }> {
    const place = (side: Side, wish: fw.SocketSide | undefined): string =>
      wish ? this.#sockets.place(id, side, wish.type, wish.uid) : '';
    return { client: place('client', client), endpoint: place('endpoint', endpoint) };
  }

  async inspectNamespace(request: fw.InspectNamespaceRequest): Promise<NamespaceInspection> {
    return inspectNamespace(request, this.#cluster);
  }

  async keepWays(request: fw.KeepWaysRequest): Promise<{ kept: string[] }> {
    try {
      return { kept: keepUnderlayRoutes(this.#socket, request) };
    } catch (error) {
      throw explain(error);
    }
  }

  async keepPrefixes({ prefixes }: fw.KeepPrefixesRequest): Promise<object> {
    const wrong = prefixes.find((prefix) => !IpPrefix.parse(prefix));
    if (wrong !== undefined) throw new NsmError('invalid', `${JSON.stringify(wrong)} is no IP prefix`);
    this.#cluster = prefixes;
    return {};
  }

  async listNetworks(namespace: fw.Namespace): Promise<{ networks: NetworkReport[] }> {
    return { networks: listNetworks(namespace, this.#cluster) };
  }

  async offerTunnels({ remote, local }: fw.OfferTunnelsRequest): Promise<Offer> {
    try {
      const offer = this.#offers.offer(remote, local);
      for (const { parameters } of offer.tunnels) this.#lending.underlay.add(parameters.address);
      return offer;
    } catch (error) {
      throw explain(error);
    }
  }

  apply(crossConnect: fw.CrossConnect, { signal }: { signal: AbortSignal }): Promise<fw.CrossConnect> {
    return this.#crossConnects.apply(crossConnect, signal);
  }

  async compare(crossConnect: fw.CrossConnect): Promise<{ differences: string[] }> {
    return { differences: compareCrossConnect(crossConnect) };
  }

  async remove({ crossConnects }: fw.RemoveRequest): Promise<object> {
    await this.#crossConnects.remove(crossConnects);
    return {};
  }

  async list({ idPrefix }: fw.ListRequest): Promise<{ interfaces: FoundReport[] }> {
    if (idPrefix === '') return { interfaces: [] };
    const interfaces: FoundReport[] = this.#sockets.ids(idPrefix).map((id) => ({ id, name: '', index: 0 }));
    // What was chosen and not yet moved when a forwarder was killed bears no alias.
    for (const { id, pod, before } of this.#lending.loans(idPrefix))
      interfaces.push({
        id,
        namespace: { ...pod, prefixes: [], cookie: 0n },
        name: before.name,
        index: 0,
      });
    return { interfaces: [...interfaces, ...findInterfaces(idPrefix)] };
  }

  async probe(request: fw.ProbeRequest, { signal }: { signal: AbortSignal }): Promise<ProbeReport> {
    return probe(request, signal);
  }

  async getStatistics({ crossConnect }: fw.GetStatisticsRequest): Promise<Partial<StatisticsReport>> {
    return this.#statistics(crossConnect);
  }

  #statistics(crossConnect: fw.CrossConnect | undefined): Partial<StatisticsReport> {
    const counting = { tunnels: this.#tunnels, shared: this.#shared, sources: this.#sources };
    return readStatistics(this.#socket, counting, crossConnect);
  }

  async observeDrops(
    request: fw.ObserveDropsRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<MessageInitShape<typeof capture.DropsSeenSchema>> {
    return await observeDrops(this.#socket, request, () => this.#statistics(request.crossConnect), signal);
  }

  watch(
    _request: fw.WatchRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<MessageInitShape<typeof fw.ForwarderEventSchema>> {
    return this.#watch.events(signal);
  }

  capture(
    request: fw.CaptureRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<MessageInitShape<typeof capture.CapturedSchema>> {
    return this.#captures.capture(request, signal);
  }

  serveBench(
    request: fw.ServeBenchRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<MessageInitShape<typeof fw.ServeBenchReplySchema>> {
    return this.#benches.serve(request, signal);
  }

  async runBench(
    request: fw.RunBenchRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<MessageInitShape<typeof fw.BenchReportSchema>> {
    return await this.#benches.run(request, signal);
  }
}
