// Cells of the failure matrix that do not recover yet. One that begins to recover fails its test until it is taken out here.
import type { Failure } from './failures.js';
import type { Column } from './stage.js';

const everywhere = ['local', 'remote, VXLAN', 'remote, GRE (eBPF)'];
const remote = everywhere.slice(1);

const open: Readonly<Record<string, readonly string[]>> = {
  'underlay partitioned for good': remote,
  'remote node gone for good': remote,
  'remote node rebooted': remote,
  "interface set down in the client's pod": everywhere,
  "interface set down in the endpoint's pod": everywhere,
  "address removed in the client's pod": everywhere,
  "address removed in the endpoint's pod": everywhere,
  "route removed in the client's pod": everywhere,
  'eBPF program removed from the underlay': remote,
  "eBPF program removed from the node's end": remote,
  'eBPF map entry removed, outgoing': remote,
  'eBPF map entry removed, incoming': remote,
};

export function isOpen({ name }: Failure, column: Column): boolean {
  return open[name]?.includes(column.name) ?? false;
}
