// Makes cross-connects exist as wanted, and takes them away: each by itself, in the order of what is asked.
import { type forwarder as fw, Turns, traitsOf } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import { Steps } from '@nsm/observe';
import type { SourceFilters } from '../bpf/source-filters.js';
import type { TunnelEngine } from '../bpf/tunnel-engine.js';
import type { Reaper } from '../deletion/reaper.js';
import { explain } from '../explain.js';
import type { SharedEngine } from '../interfaces/shared/shared-engine.js';
import type { SharedSockets } from '../interfaces/shared/shared-sockets.js';
import type { Lending } from '../lending/lending.js';
import type { NodeWatch } from '../node-watch.js';
import { configureDevice } from '../pod/configure-device.js';
import { routeWithout } from '../pod/pod-routing.js';
import { waitForCarrier } from '../pod/wait-for-carrier.js';
import { OpenPort } from '../port/open-port.js';
import { validCrossConnect } from '../port/valid-cross-connect.js';
import type { Device, OpenPorts, Wiring } from '../port/wiring.js';
import { requireAnswer } from '../probe/neighbour-probe.js';
import { requireEgress } from '../probe/require-egress.js';
import { inOrder, isPortTaken, obstruction, possibleWirings, type TriedWiring } from './choose-wiring.js';

export interface CrossConnectComponents {
  /** In the node's own network namespace. */
  readonly socket: RouteSocket;
  readonly watch: NodeWatch;
  readonly reaper: Reaper;
  readonly tunnels: TunnelEngine;
  /** Undefined where eBPF does not work. */
  readonly sources: SourceFilters | undefined;
  readonly sockets: SharedSockets;
  readonly shared: SharedEngine;
  readonly lending: Lending;
  readonly wirings: readonly TriedWiring[];
  /** The cluster's own prefixes; undefined until the manager tells them. */
  readonly cluster: () => readonly string[] | undefined;
}

/** A cross-connect that is being made. */
interface Work {
  readonly crossConnect: fw.CrossConnect;
  readonly ports: OpenPorts;
  readonly signal: AbortSignal;
  readonly steps: Steps;
}

export class CrossConnects {
  readonly #parts: CrossConnectComponents;
  /** By id of cross-connects: what is done with each waits for what was begun before, also where its caller has gone. */
  readonly #turns = new Turns();

  constructor(parts: CrossConnectComponents) {
    this.#parts = parts;
  }

  /**
   * Makes what there is not, and mends what differs.
   * @returns the cross-connect with the names that were chosen and what was mended.
   * @throws NsmError; then nothing is left that was not there before.
   */
  apply(crossConnect: fw.CrossConnect, signal: AbortSignal): Promise<fw.CrossConnect> {
    const steps = new Steps();
    return this.#turns.take([crossConnect.id], async () => {
      steps.waited('wait for what was begun before', 0);
      const applied = await this.#apply(validCrossConnect(crossConnect), signal, steps);
      applied.steps = steps.report('forwarder');
      applied.tookMs = steps.elapsedMs;
      return applied;
    });
  }

  async #apply(crossConnect: fw.CrossConnect, signal: AbortSignal, steps: Steps): Promise<fw.CrossConnect> {
    const { reaper, wirings, socket, watch } = this.#parts;
    signal.throwIfAborted();
    reaper.prepare();
    crossConnect.mended = [];
    const possible = possibleWirings(wirings, crossConnect, obstruction(crossConnect, socket));
    const ports: OpenPorts = {};
    try {
      if (crossConnect.client) ports.client = new OpenPort(crossConnect.client);
      if (crossConnect.endpoint) ports.endpoint = new OpenPort(crossConnect.endpoint);
      for (const open of Object.values(ports))
        open.lastIndex = watch.indexOf(crossConnect.id, open.namespace);
      watch.unfollow(crossConnect.id);
      for (const { port } of Object.values(ports)) watch.unfollow(port.takesOver);
      const [first, second] = inOrder(possible, crossConnect.id, ports);
      const work = { crossConnect, ports, signal, steps };
      try {
        return await this.#connect(first, work);
      } catch (error) {
        if (!second || !isPortTaken(error)) throw error;
        return await this.#connect(second, work);
      }
    } catch (error) {
      throw explain(error, crossConnect);
    } finally {
      ports.client?.[Symbol.dispose]();
      ports.endpoint?.[Symbol.dispose]();
    }
  }

  async #connect(wiring: Wiring, work: Work): Promise<fw.CrossConnect> {
    const { socket, tunnels } = this.#parts;
    const { crossConnect, ports, signal, steps } = work;
    let devices: Device[] = [];
    try {
      devices = await steps.step('make the devices', () =>
        wiring.connect(crossConnect, ports, { socket }, (device) => {
          tunnels.release(crossConnect.id);
          ports[device.side]?.delete(device.index);
        }),
      );
      await steps.step('set addresses and routes', () => this.#configure(devices, work));
      const carrying = await steps.step('wait until the devices are up', () => this.#carrying(devices, work));
      if (crossConnect.answerWithinMs > 0)
        await steps.step('wait for an answer through it', () =>
          requireAnswer(crossConnect, devices, ports, signal, () => wiring.inTheWay?.() ?? []),
        );
      await steps.step('see whether packets leave', () =>
        requireEgress(crossConnect, carrying, ports, signal),
      );
      return crossConnect;
    } catch (error) {
      await this.#undo(devices, work);
      throw error;
    }
  }

  async #configure(devices: readonly Device[], { crossConnect, ports }: Work): Promise<void> {
    const { sources, cluster, watch } = this.#parts;
    const { id, mended } = crossConnect;
    for (const device of devices) {
      const open = ports[device.side];
      if (!open) continue;
      // Before the first packet.
      const first = sources?.guard(id, device, ports);
      mended.push(...(await configureDevice(id, device, open, { cluster: cluster(), first })));
      if (open.port.name.includes('%')) open.port.name = device.name;
      watch.follow(id, open, device.index);
    }
    for (const open of Object.values(ports)) watch.follow(id, open);
  }

  /** Waits for the carrier, which each end has when both are up. @returns the new devices that have it. */
  async #carrying(devices: readonly Device[], { ports, signal }: Work): Promise<Device[]> {
    const carrying: Device[] = [];
    for (const device of devices) {
      const open = device.fresh ? ports[device.side] : undefined;
      if (device.nodeEnd !== undefined) await waitForCarrier(this.#parts.socket, device.nodeEnd, signal);
      if (open && (await waitForCarrier(open.socket, device.index, signal))) carrying.push(device);
    }
    return carrying;
  }

  async #undo(devices: readonly Device[], { crossConnect, ports }: Work): Promise<void> {
    const { tunnels, sources, cluster, lending, shared } = this.#parts;
    const { id } = crossConnect;
    // Either end takes the other with it.
    const fresh = devices.find((device) => device.fresh);
    if (!fresh) return;
    if (lending.holds(id)) lending.undo(id);
    else {
      await shared.release(id);
      tunnels.release(id);
      sources?.release(id);
      ports[fresh.side]?.delete(fresh.index);
    }
    routeWithout([crossConnect], cluster());
  }

  /** Resolves when all of them have gone. */
  remove(crossConnects: readonly fw.CrossConnect[]): Promise<void> {
    return this.#turns.take(
      crossConnects.map(({ id }) => id),
      () => this.#remove(crossConnects),
    );
  }

  async #remove(crossConnects: readonly fw.CrossConnect[]): Promise<void> {
    const { watch, lending, shared, sockets, sources, tunnels, reaper, cluster } = this.#parts;
    for (const { id } of crossConnects) watch.unfollow(id);
    await Promise.all(
      crossConnects.map(async (crossConnect) => {
        const { id } = crossConnect;
        if (lending.holds(id)) return await lending.giveBack(id);
        const [client, endpoint] = [withDevice(crossConnect.client), withDevice(crossConnect.endpoint)];
        await shared.release(id);
        sockets.release(id);
        sources?.release(id);
        const outside = tunnels.release(id);
        if (outside || client || endpoint)
          await reaper.remove({ ...crossConnect, client, endpoint }, outside);
        // The pod's device may have been the other end of an unfinished tunnel, which bore no id yet.
        if (!outside && !(client && endpoint)) tunnels.tidySoon();
      }),
    );
    routeWithout(crossConnects, cluster());
  }
}

function withDevice(port: fw.Port | undefined): fw.Port | undefined {
  return port && traitsOf(port.type).hasDevice ? port : undefined;
}
