// The dataplane of one node: makes cross-connects exist as wanted, and removes them.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type forwarder as fw, InterfaceType, NsmError, type ServiceImplementation, Turns } from '@nsm/api';
import { RouteSocket } from '@nsm/netlink';
import { BpfTunnel } from './bpf/bpf-tunnel.js';
import { nodeEndName } from './bpf/node-end.js';
import { TunnelEngine } from './bpf/tunnel-engine.js';
import { type CapabilitiesReport, capabilitiesOf } from './capabilities.js';
import { carrierHeard } from './carrier-heard.js';
import { inOrder, isPortTaken, possibleWirings, type TriedWiring } from './choose-wiring.js';
import { configureDevice } from './configure-device.js';
import { removeScaffolding } from './device-groups.js';
import { explain } from './explain.js';
import { type FoundReport, findInterfaces } from './find-interfaces.js';
import { inspectNamespace, type NamespaceReport } from './inspect-namespace.js';
import { NetworkDevices } from './interfaces/hw/network-devices.js';
import { VethPair } from './interfaces/kernel/veth-pair.js';
import { SharedEngine, type SharedType } from './interfaces/shared/shared-engine.js';
import { isSocket, SharedSockets } from './interfaces/shared/shared-sockets.js';
import { SharedToKernel } from './interfaces/shared/shared-to-kernel.js';
import { SharedTunnel } from './interfaces/shared/shared-tunnel.js';
import { SocketPair } from './interfaces/shared/socket-pair.js';
import { VirtualFunctions } from './interfaces/sriov/virtual-functions.js';
import { keepWays } from './keep-ways.js';
import { Lending } from './lending/lending.js';
import type { LendingOptions } from './lending/lending-options.js';
import { LentDevice } from './lending/lent-device.js';
import { LoanBook } from './lending/loan-book.js';
import { listNetworks, type NetworkReport } from './list-networks.js';
import { requireAnswer, resolvesNeighbour } from './neighbour-probe.js';
import { nodeId } from './node-id.js';
import { NodeWatch } from './node-watch.js';
import { OpenPort } from './open-port.js';
import { requireWay } from './packet-way.js';
import { Reaper } from './reaper.js';
import {
  beforeShared,
  type StatisticsReport,
  statisticsOf,
  statisticsOfDevice,
  statisticsOfShared,
  statisticsOfSharedTunnel,
} from './statistics.js';
import { type Offer, TunnelOffers } from './tunnel-offer.js';
import { tunnelKinds } from './tunnels/kinds.js';
import { VxlanDevice } from './tunnels/vxlan/vxlan-device.js';
import { validCrossConnect } from './valid-cross-connect.js';
import type { Device, OpenPorts, Side, Wiring } from './wiring.js';

type ForwarderService = ServiceImplementation<typeof fw.Forwarder>;

export type VxlanEngine = 'kernel' | 'ebpf';

export interface NodeForwarderOptions {
  /** What carries VXLAN where both can: the kernel's own device, or eBPF as all other kinds. Default `kernel`. */
  readonly vxlanEngine?: VxlanEngine;
  /** The manager's run directory, below which pods meet by sockets. Without it there is no shared memory. */
  readonly runDir?: string;
  /** Devices of the node that may be given to pods. Default: none. */
  readonly lending?: LendingOptions;
}

export class NodeForwarder implements ForwarderService {
  readonly #socket: RouteSocket;
  readonly #watch: NodeWatch;
  readonly #reaper = new Reaper();
  readonly #tunnels: TunnelEngine;
  readonly #offers: TunnelOffers;
  readonly #sockets: SharedSockets;
  readonly #shared: SharedEngine;
  readonly #lending: Lending;
  /** By id of cross-connects: what is done with each waits for what was begun before, also where nobody waits for that any more. */
  readonly #turns = new Turns();
  readonly #wirings: readonly TriedWiring[];

  constructor({ vxlanEngine = 'kernel', runDir, lending = {} }: NodeForwarderOptions = {}) {
    this.#socket = RouteSocket.open();
    removeScaffolding(this.#socket);
    this.#watch = new NodeWatch(this.#socket);
    this.#tunnels = new TunnelEngine(this.#socket, runDir ?? '');
    this.#sockets = new SharedSockets(runDir);
    this.#shared = new SharedEngine(this.#sockets, (ids) => this.#watch.lost(ids));
    const { hwPools = [], sriovPools = [], sysfs = '/sys', folder, underlay = [], onStep } = lending;
    this.#lending = new Lending(this.#socket, new LoanBook(folder, nodeId()), underlay, onStep);
    const node = { socket: this.#socket };
    const byBpf = tunnelKinds.map((kind) => new BpfTunnel(kind, this.#tunnels));
    const byKernel = [new VxlanDevice(this.#tunnels)];
    // In order of preference; a new engine is one more entry here, a new kind one in tunnels/kinds.ts.
    const engines = vxlanEngine === 'kernel' ? [...byKernel, ...byBpf] : [...byBpf, ...byKernel];
    const { MEM_INTERFACE, VHOST_INTERFACE } = InterfaceType;
    const sharedTypes: readonly SharedType[] = [MEM_INTERFACE, VHOST_INTERFACE];
    const byMemory = sharedTypes.map((type) => new SocketPair(type, this.#sockets));
    const byPeer = sharedTypes.flatMap((type) => [
      new SharedToKernel(type, 'client', this.#shared),
      new SharedToKernel(type, 'endpoint', this.#shared),
      ...byBpf.map((tunnel) => new SharedTunnel(type, tunnel, this.#shared)),
    ]);
    const byDevice = [new NetworkDevices(hwPools), new VirtualFunctions(sriovPools, sysfs)].map(
      (source) => new LentDevice(source, this.#lending),
    );
    const wirings: Wiring[] = [new VethPair(), ...byMemory, ...byDevice, ...engines, ...byPeer];
    this.#wirings = wirings.map((wiring) => ({ wiring, missing: wiring.probe(node) }));
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
    this.#sockets.stop();
    this.#tunnels.stop();
    this.#socket.close();
  }

  async getCapabilities(): Promise<CapabilitiesReport> {
    return { ...capabilitiesOf(this.#wirings), nodeId: nodeId() };
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
  ): Promise<{ namespace?: NamespaceReport; pidInode: number }> {
    return inspectNamespace(request);
  }

  async keepWays(request: fw.KeepWaysRequest): Promise<{ kept: string[] }> {
    try {
      return { kept: keepWays(this.#socket, request) };
    } catch (error) {
      throw explain(error);
    }
  }

  async listNetworks(namespace: fw.Namespace): Promise<{ networks: NetworkReport[] }> {
    return { networks: listNetworks(namespace) };
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
    crossConnect.mended = [];
    const possible = possibleWirings(this.#wirings, crossConnect);
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
        ports[device.side]?.socket.deleteLink(device.index);
      });
      for (const device of devices) {
        const open = ports[device.side];
        if (!open) continue;
        crossConnect.mended.push(...(await configureDevice(crossConnect.id, device, open)));
        if (open.port.name.includes('%')) open.port.name = device.name;
        this.#watch.follow(crossConnect.id, open, device.index);
      }
      for (const open of Object.values(ports)) this.#watch.follow(crossConnect.id, open);
      // Each end has its carrier when both are up.
      for (const { side, index, fresh } of devices)
        if (fresh && ports[side]) await carrierHeard(ports[side].socket, index, signal);
      if (crossConnect.answerWithinMs > 0)
        await requireAnswer(crossConnect, devices, ports, signal, () => wiring.inTheWay?.() ?? []);
      await requireWay(crossConnect, devices, ports, signal);
      return crossConnect;
    } catch (error) {
      // Either end takes the other with it.
      const fresh = devices.find((device) => device.fresh);
      if (fresh && this.#lending.holds(crossConnect.id)) this.#lending.undo(crossConnect.id);
      else if (fresh) {
        await this.#shared.release(crossConnect.id);
        this.#tunnels.release(crossConnect.id);
        ports[fresh.side]?.socket.deleteLink(fresh.index);
      }
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
        const outside = this.#tunnels.release(id);
        if (outside || client || endpoint)
          await this.#reaper.remove({ ...crossConnect, client, endpoint }, outside);
        // It may have been the other end of one that was not finished, and of which nobody knew whose it was to be.
        if (!outside && !(client && endpoint)) this.#tunnels.tidySoon();
      }),
    );
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

  async probe(
    { crossConnect: wanted, timeoutMs }: fw.ProbeRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<ProbeReport> {
    const crossConnect = wanted && validCrossConnect(wanted);
    const port = crossConnect?.client ?? crossConnect?.endpoint;
    if (!crossConnect || !port) throw new NsmError('invalid', 'the probe names no port');
    using open = new OpenPort(port);
    const link = open.find(crossConnect.id);
    if (!link)
      throw new NsmError('dataplane', `no interface of ${crossConnect.id} in netns ${open.namespace.inode}`);
    const startedAt = process.hrtime.bigint();
    const answered = await resolvesNeighbour(open.socket, link.index, port.peerAddresses, timeoutMs, signal);
    return { answered, elapsedUs: Number((process.hrtime.bigint() - startedAt) / 1000n) };
  }

  async getStatistics({ crossConnect }: fw.GetStatisticsRequest): Promise<Partial<StatisticsReport>> {
    const port = crossConnect?.client ?? crossConnect?.endpoint;
    if (!crossConnect || !port) throw new NsmError('invalid', 'no port is named');
    const { id } = crossConnect;
    const traffic = this.#tunnels.traffic(id);
    const shared = this.#shared.traffic(id);
    if (traffic) {
      const tap = shared && this.#socket.link(nodeEndName(id))?.statistics;
      return shared && tap ? statisticsOfSharedTunnel(traffic, shared, tap) : statisticsOf(traffic);
    }
    if (isSocket(port.type)) {
      if (shared) return statisticsOfShared(shared);
      throw new NsmError('not-found', 'shared memory passes the forwarder by: its packets are not counted');
    }
    using open = new OpenPort(port);
    const { statistics, kind } = open.find(id) ?? {};
    if (!statistics)
      throw new NsmError('not-found', `no interface of ${id} in netns ${open.namespace.inode}`);
    const report = statisticsOfDevice(statistics, kind, this.#tunnels.refused(id));
    return shared ? beforeShared(report, shared) : report;
  }

  watch(
    _request: fw.WatchRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<MessageInitShape<typeof fw.ForwarderEventSchema>> {
    return this.#watch.events(signal);
  }
}

function withDevice(port: fw.Port | undefined): fw.Port | undefined {
  return port && isSocket(port.type) ? undefined : port;
}

type ProbeReport = { answered: boolean; elapsedUs: number };
