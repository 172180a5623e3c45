// What packets get through each kind of tunnel, beside the kernel's vxlan device and a bare veth pair, in the same rounds.
import { admin, Channel, TunnelType, tunnelNames } from '@nsm/api';
import type { BareWires } from './bare-wires.js';
import type { Cleanup } from './cleanup.js';
import { type Mesh, tunnelService } from './mesh.js';
import type { Plan } from './options.js';
import { type Measure, type Path, takeTurns } from './packets.js';
import { median, ratio, rounded } from './statistics.js';
import { clientOf } from './system.js';

/** One quality of a kind of tunnel; medians of rounds taken by turns. */
export interface TunnelFigure {
  /** As the specification calls it; all by eBPF. */
  readonly tunnel: string;
  readonly measures: Measure;
  /** Throughput in Gbit/s, round trips in microseconds; of the connection, the vxlan device and the veth pair. */
  readonly connection: number;
  readonly vxlan: number;
  readonly veth: number;
  /** The connection's by the bare wires': medians of the rounds' own ratios. */
  readonly byVxlan: number;
  readonly byVeth: number;
  /** The kernel cuts segments after wrapping: where it cannot, the pod does, and throughput is another matter. */
  readonly gso: boolean;
  readonly rounds: number;
}

const { VXLAN, VXLAN_GRE, GRE, MPLSoUDP, MPLSoGRE, MPLSoEthernet } = TunnelType;
const kinds = [VXLAN, VXLAN_GRE, GRE, MPLSoUDP, MPLSoGRE, MPLSoEthernet].map((type) => ({
  name: tunnelNames[type] ?? '',
  gso: type !== MPLSoEthernet,
}));

/** @returns the figures, and what could not be measured with the reason. */
export async function measureTunnels(
  mesh: Mesh,
  wires: BareWires,
  plan: Plan,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<{ figures: TunnelFigure[]; skipped: string[] }> {
  say('starting a manager for tunnels on each node');
  const flags = [
    '--vxlan-engine',
    'ebpf',
    ...kinds.flatMap(({ name }) => ['--tunnel', `${tunnelService(name)}=${name}`]),
  ];
  await mesh.startManager('tunnels-a', 'a', 5005, '', flags);
  await mesh.startManager('tunnels-b', 'b', 5005, `nsm://${mesh.underlay.a}:5005`, flags);
  const missing = await missingKinds(mesh);
  const figures: TunnelFigure[] = [];
  const [from] = mesh.pods;
  const services = Object.fromEntries(kinds.map(({ name }) => [name, tunnelService(name)]));
  const client = clientOf(mesh, 'tunnels-a', services);
  for (const [n, { name, gso }] of kinds.entries()) {
    if (!from || missing.has(name)) continue;
    const endpoint = await mesh.startEndpoint(`tunnels-${name}`, 'tunnels-b', 'b', tunnelService(name));
    await mesh.waitForService('tunnels-a', tunnelService(name));
    const connection: Path = { from, to: mesh.endpoints.b, address: await client.open(name, n, 0) };
    for (const measures of ['round-trip', 'throughput'] as const) {
      say(`${measures} through ${name} and bare wires`);
      const taken = await takeTurns(measures, { connection, ...wires }, plan.tunnelRounds, plan, cleanup);
      figures.push({
        tunnel: name,
        measures,
        connection: rounded(median(taken.connection)),
        vxlan: rounded(median(taken.vxlan)),
        veth: rounded(median(taken.veth)),
        byVxlan: ratio(taken.connection, taken.vxlan),
        byVeth: ratio(taken.connection, taken.veth),
        gso,
        rounds: plan.tunnelRounds,
      });
    }
    await client.close(name, n);
    await endpoint.stop();
  }
  return { figures, skipped: [...missing].map(([name, why]) => `${name}: ${why}`) };
}

/** The kinds that eBPF cannot carry here, and why. */
async function missingKinds(mesh: Mesh): Promise<Map<string, string>> {
  using channel = new Channel(`unix:${mesh.runDir('tunnels-a')}/admin.sock`);
  const { capabilities } = await channel.client(admin.Admin).listTunnels({});
  return new Map(
    capabilities
      .filter(({ engine, missing }) => engine === 'eBPF' && missing !== '')
      .map(({ type, missing }) => [tunnelNames[type] ?? '', missing]),
  );
}
