// The dataplane of one node: makes cross-connects exist as wanted, and removes them.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type forwarder as fw, type ServiceImplementation, Turns, traitsOf } from '@nsm/api';
import { RouteSocket } from '@nsm/netlink';
import { allWirings, type VxlanEngine } from './all-wirings.js';
import { SourceFilters } from './bpf/source-filters.js';
import { TunnelEngine } from './bpf/tunnel-engine.js';
import { type CapabilitiesReport, capabilitiesOf } from './capabilities.js';
import { inOrder, isPortTaken, obstruction, possibleWirings, type TriedWiring } from './choose-wiring.js';
import { configureDevice } from './configure-device.js';
import { removeScaffolding } from './device-groups.js';
import { explain } from './explain.js';
import { type FoundReport, findInterfaces } from './find-interfaces.js';
import { inspectNamespace, type NamespaceReport } from './inspect-namespace.js';
import { SharedEngine } from './interfaces/shared/shared-engine.js';
import { SharedSockets } from './interfaces/shared/shared-sockets.js';
import { Lending } from './lending/lending.js';
import type { LendingOptions } from './lending/lending-options.js';
import { LoanBook } from './lending/loan-book.js';
import { listNetworks, type NetworkReport } from './list-networks.js';
import { defaultMemoryLimits, type MemoryLimits } from './memory-limits.js';
import { requireAnswer } from './neighbour-probe.js';
import { nodeId } from './node-id.js';
import { NodeWatch } from './node-watch.js';
import { OpenPort } from './open-port.js';
import { routeWithout } from './pod-routing.js';
import { requirePrivileges } from './privileges.js';
import { type ProbeReport, probe } from './probe.js';
import { readStatistics } from './read-statistics.js';
import { Reaper } from './reaper.js';
import { requireEgress } from './require-egress.js';
import type { StatisticsReport } from './statistics.js';
import { type Offer, TunnelOffers } from './tunnel-offer.js';
import { keepUnderlayRoutes } from './underlay-routes.js';
import { validCrossConnect } from './valid-cross-connect.js';
import { waitForCarrier } from './wait-for-carrier.js';
import type { Device, OpenPorts, Side, Wiring } from './wiring.js';

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
  /** By id of cross-connects: what is done with each waits for what was begun before, also where nobody waits for that any more. */
  readonly #turns = new Turns();
  readonly #wirings: readonly TriedWiring[];
  /** Undefined until they are told. */
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

  async inspectNamespace(
    request: fw.InspectNamespaceRequest,
  ): Promise<{ namespace?: NamespaceReport; pidInode: number; pidCookie?: bigint }> {
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
    return this.#turns.take([crossConnect.id], () => this.#apply(validCrossConnect(crossConnect), signal));
  }

  async #apply(crossConnect: fw.CrossConnect, signal: AbortSignal): Promise<fw.CrossConnect> {
    signal.throwIfAborted();
    this.#reaper.prepare();
    crossConnect.mended = [];
    const possible = possibleWirings(this.#wirings, crossConnect, obstruction(crossConnect, this.#socket));
    const ports: OpenPorts = {};
    try {
      if (crossConnect.client) ports.client = new OpenPort(crossConnect.client);
      if (crossConnect.endpoint) ports.endpoint = new OpenPort(crossConnect.endpoint);
      for (const open of Object.values(ports))
        open.lastIndex = this.#watch.indexOf(crossConnect.id, open.namespace);
      this.#watch.unfollow(crossConnect.id);
      for (const { port } of Object.values(ports)) this.#watch.unfollow(port.takesOver);
      const [first, second] = inOrder(possible, crossConnect.id, ports);
      try {
        return await this.#connect(first, crossConnect, ports, signal);
      } catch (error) {
        if (!second || !isPortTaken(error)) throw error;
        return await this.#connect(second, crossConnect, ports, signal);
      }
    } catch (error) {
      throw explain(error, crossConnect);
    } finally {
      ports.client?.[Symbol.dispose]();
      ports.endpoint?.[Symbol.dispose]();
    }
  }

  async #connect(
    wiring: Wiring,
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    signal: AbortSignal,
  ): Promise<fw.CrossConnect> {
    let devices: Device[] = [];
    try {
      devices = await wiring.connect(crossConnect, ports, { socket: this.#socket }, (device) => {
        this.#tunnels.release(crossConnect.id);
        ports[device.side]?.delete(device.index);
      });
      for (const device of devices) {
        const open = ports[device.side];
        if (!open) continue;
        // Before the first packet.
        const first = this.#sources?.guard(crossConnect.id, device, ports);
        const configured = await configureDevice(crossConnect.id, device, open, {
          cluster: this.#cluster,
          first,
        });
        crossConnect.mended.push(...configured);
        if (open.port.name.includes('%')) open.port.name = device.name;
        this.#watch.follow(crossConnect.id, open, device.index);
      }
      for (const open of Object.values(ports)) this.#watch.follow(crossConnect.id, open);
      // Each end has its carrier when both are up.
      const carrying: Device[] = [];
      for (const device of devices) {
        const open = device.fresh ? ports[device.side] : undefined;
        if (device.nodeEnd !== undefined) await waitForCarrier(this.#socket, device.nodeEnd, signal);
        if (open && (await waitForCarrier(open.socket, device.index, signal))) carrying.push(device);
      }
      if (crossConnect.answerWithinMs > 0)
        await requireAnswer(crossConnect, devices, ports, signal, () => wiring.inTheWay?.() ?? []);
      await requireEgress(crossConnect, carrying, ports, signal);
      return crossConnect;
    } catch (error) {
      // Either end takes the other with it.
      const fresh = devices.find((device) => device.fresh);
      if (fresh && this.#lending.holds(crossConnect.id)) this.#lending.undo(crossConnect.id);
      else if (fresh) {
        await this.#shared.release(crossConnect.id);
        this.#tunnels.release(crossConnect.id);
        this.#sources?.release(crossConnect.id);
        ports[fresh.side]?.delete(fresh.index);
      }
      if (fresh) routeWithout([crossConnect], this.#cluster);
      throw error;
    }
  }

  remove({ crossConnects }: fw.RemoveRequest): Promise<object> {
    return this.#turns.take(
      crossConnects.map(({ id }) => id),
      () => this.#remove(crossConnects),
    );
  }

  async #remove(crossConnects: readonly fw.CrossConnect[]): Promise<object> {
    for (const { id } of crossConnects) this.#watch.unfollow(id);
    await Promise.all(
      crossConnects.map(async (crossConnect) => {
        const { id } = crossConnect;
        if (this.#lending.holds(id)) return await this.#lending.giveBack(id);
        const [client, endpoint] = [withDevice(crossConnect.client), withDevice(crossConnect.endpoint)];
        await this.#shared.release(id);
        this.#sockets.release(id);
        this.#sources?.release(id);
        const outside = this.#tunnels.release(id);
        if (outside || client || endpoint)
          await this.#reaper.remove({ ...crossConnect, client, endpoint }, outside);
        // The pod's device may have been the other end of an unfinished tunnel, which bore no id yet.
        if (!outside && !(client && endpoint)) this.#tunnels.tidySoon();
      }),
    );
    routeWithout(crossConnects, this.#cluster);
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
    const counting = { tunnels: this.#tunnels, shared: this.#shared, sources: this.#sources };
    return readStatistics(this.#socket, counting, crossConnect);
  }

  watch(
    _request: fw.WatchRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<MessageInitShape<typeof fw.ForwarderEventSchema>> {
    return this.#watch.events(signal);
  }
}

function withDevice(port: fw.Port | undefined): fw.Port | undefined {
  return port && traitsOf(port.type).hasDevice ? port : undefined;
}
