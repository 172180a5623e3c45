// The devices of a cross-connect at which its packets can be captured, opened.
import { type capture, type forwarder as fw, interfaceWords, traitsOf } from '@nsm/api';
import { currentNamespace, NetlinkError, PacketTap, type RouteSocket } from '@nsm/netlink';
import { nodeEndName } from '../bpf/node-end.js';
import { OpenPort } from '../port/open-port.js';
import type { Side } from '../port/wiring.js';
import { nodeFilter, tunnelFilter } from './tunnel-filter.js';
import { validFilter } from './valid-filter.js';

export const capturePlaces = ['client', 'node', 'underlay', 'endpoint'] as const;
export type CapturePlace = (typeof capturePlaces)[number];

export interface CapturePoint {
  readonly told: Pick<capture.Point, 'place' | 'interface' | 'missing'>;
  /** Undefined where nothing can be captured. */
  readonly tap?: PacketTap;
}

/** Bytes of kernel memory for each point: a fifth of a second of 100 Mbit/s, headers of the kernel's own included. */
const bufferSize = 4 << 20;

/** @throws NsmError `invalid`, `namespace-unknown`, `dataplane`, `privilege`; then nothing stays open. */
export function openPoints(
  node: RouteSocket,
  crossConnect: fw.CrossConnect,
  { places, filter: given, snapLength }: Pick<fw.CaptureRequest, 'places' | 'filter' | 'snapLength'>,
): CapturePoint[] {
  const filter = validFilter(given);
  const settings = { bufferSize, ...(snapLength > 0 ? { snapLength: Math.min(snapLength, 65_535) } : {}) };
  const wanted = capturePlaces.filter((place) => places.length === 0 || places.includes(place));
  const opened: CapturePoint[] = [];
  try {
    for (const place of wanted) {
      const point = {
        client: () => podPoint('client'),
        endpoint: () => podPoint('endpoint'),
        node: nodePoint,
        underlay: underlayPoint,
      }[place]();
      if (point) opened.push(point);
    }
  } catch (error) {
    for (const { tap } of opened) tap?.[Symbol.dispose]();
    throw error;
  }
  return opened;

  function podPoint(side: Side): CapturePoint | undefined {
    const port = crossConnect[side];
    if (!port) return undefined;
    if (!traitsOf(port.type).hasDevice)
      return missing(
        side,
        `the ${side} is on a ${interfaceWords[port.type]} interface, shared memory without a device`,
      );
    using open = new OpenPort(port);
    const link = open.find(crossConnect.id);
    if (!link) return missing(side, `the interface of the ${side} is not there`);
    const tap = new PacketTap(open.namespace, {
      ...settings,
      device: link.index,
      filter: Buffer.from(filter),
    });
    return { told: { place: side, interface: link.name, missing: '' }, tap };
  }

  function nodePoint(): CapturePoint {
    if (!crossConnect.tunnel)
      return missing('node', 'both pods are on this node: between their devices there is none');
    const link = node.link(nodeEndName(crossConnect.id));
    if (!link) return missing('node', 'the device in the pod is the tunnel itself');
    return nodeTap('node', link.name, link.index, nodeFilter(filter));
  }

  function underlayPoint(): CapturePoint {
    const { tunnel } = crossConnect;
    if (!tunnel) return missing('underlay', 'both pods are on this node: no packet leaves it');
    try {
      const index = node.routeTo(tunnel.remote).device;
      const mac = node.neighbour(tunnel.remote, index)?.mac;
      const { name } = node.link(index) ?? {};
      return nodeTap('underlay', name ?? `#${index}`, index, tunnelFilter(tunnel, mac, filter));
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return missing('underlay', `there is no way to ${tunnel.remote}: ${error.message}`);
    }
  }

  function nodeTap(place: CapturePlace, name: string, device: number, program: Buffer): CapturePoint {
    using home = currentNamespace();
    const tap = new PacketTap(home, { ...settings, device, filter: program });
    return { told: { place, interface: name, missing: '' }, tap };
  }
}

function missing(place: CapturePlace, why: string): CapturePoint {
  return { told: { place, interface: '', missing: why } };
}
