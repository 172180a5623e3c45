// What a forwarder can do and what it cannot, as it reports it: interface types, tunnel types, and what can be joined.
import { type forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import type { TriedWiring } from './cross-connect/choose-wiring.js';
import type { Wiring } from './port/wiring.js';

type InterfaceReport = Pick<
  fw.InterfaceCapability,
  'type' | 'missing' | 'engine' | 'pools' | 'missingOverTunnels'
>;
type TunnelReport = Pick<fw.TunnelCapability, 'type' | 'missing' | 'engine' | 'obstacles'>;
type JoinReport = Pick<fw.Join, 'client' | 'endpoint' | 'tunnel'>;

type MemoryReport = Omit<fw.MemoryUse, '$typeName' | '$unknown'>;

export interface CapabilitiesReport {
  readonly interfaces: InterfaceReport[];
  readonly tunnels: TunnelReport[];
  readonly nodeId: string;
  readonly joins: JoinReport[];
  readonly memory: MemoryReport;
}

export function capabilitiesOf(
  wirings: readonly TriedWiring[],
): Pick<CapabilitiesReport, 'interfaces' | 'tunnels' | 'joins'> {
  const local = wirings.filter(
    ({ wiring }) => wiring.tunnel === undefined && wiring.endpointInterface === undefined,
  );
  const remote = wirings.filter(
    ({ wiring }) => wiring.tunnel !== undefined && wiring.interface === InterfaceType.KERNEL_INTERFACE,
  );
  return {
    interfaces: local.map(({ wiring, missing }) => ({
      type: wiring.interface,
      missing,
      engine: wiring.engine,
      pools: [...(wiring.pools ?? [])],
      missingOverTunnels: missingOverTunnels(wirings, wiring),
    })),
    tunnels: remote.map(({ wiring, missing }) => ({
      type: wiring.tunnel ?? 0,
      missing,
      engine: wiring.engine,
      obstacles: [...(wiring.inTheWay?.() ?? [])],
    })),
    joins: wirings.flatMap(({ wiring, missing }) => (missing ? [] : [joinOf(wiring)])),
  };
}

function missingOverTunnels(wirings: readonly TriedWiring[], { interface: type, pools }: Wiring): string {
  if (pools) return '';
  const ways = wirings.filter(({ wiring }) => wiring.interface === type && wiring.tunnel !== undefined);
  if (ways.some(({ missing }) => missing === '')) return '';
  return ways[0]?.missing ?? 'nothing here joins the two';
}

function joinOf({ interface: type, endpointInterface, tunnel }: Wiring): JoinReport {
  const { DEFAULT_INTERFACE } = InterfaceType;
  return tunnel === undefined
    ? { client: type, endpoint: endpointInterface ?? type, tunnel: TunnelType.DEFAULT_TUNNEL }
    : { client: type, endpoint: DEFAULT_INTERFACE, tunnel };
}
