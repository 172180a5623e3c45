// What the pod's end of a tunnel must not leave to the programs.
import { EthtoolSocket, NetlinkError } from '@nsm/netlink';
import type { OpenPort } from '../port/open-port.js';
import type { TunnelKind } from './tunnel-kind.js';

/**
 * Large frames that the programs cannot wrap are cut by the pod's kernel instead: those that came out of another tunnel
 * (a pod may forward from one to the next) still bear that tunnel's mark, and SCTP.
 */
const never = [
  'tx-gre-segmentation',
  'tx-gre-csum-segmentation',
  'tx-ipxip4-segmentation',
  'tx-ipxip6-segmentation',
  'tx-udp_tnl-segmentation',
  'tx-udp_tnl-csum-segmentation',
  'tx-sctp-segmentation',
  'tx-gso-list',
] as const;

/** The features that this kernel lets be switched off at a veth pair; the same for every pair. */
let given: Readonly<Record<string, false>> | undefined;

/** @param device a new end of a veth pair. A kernel without this interface of ethtool leaves everything on, and is as good for TCP. */
export function setOffloads(device: number, { namespace }: OpenPort, kind: TunnelKind): void {
  try {
    using ethtool = EthtoolSocket.open(namespace);
    given ??= switchable(ethtool, device);
    ethtool.trySetFeatures(device, given);
    // Below MPLS no device computes checksums or cuts segments of what is inside. TCP still makes large frames, which
    // the pod's kernel cuts last of all, when it hands them to the device.
    if (kind.needsLink) ethtool.setOffloads(device, { 'tx-checksum': false, tso: false });
  } catch (error) {
    if (!(error instanceof NetlinkError) || kind.needsLink) throw error;
  }
}

function switchable(ethtool: EthtoolSocket, device: number): Readonly<Record<string, false>> {
  const features = ethtool.features(device);
  const on = never.filter((name) => features.get(name)?.active && features.get(name)?.changeable);
  return Object.fromEntries(on.map((name) => [name, false]));
}
