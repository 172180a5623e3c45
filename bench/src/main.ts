// npm run bench: builds a mesh in namespaces of its own, measures it beside its floor, and removes it.
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { bareWires } from './bare-wires.js';
import { Cleanup, removeRemains } from './cleanup.js';
import { Cluster } from './cluster.js';
import { searchPath } from './config.js';
import { findCommand } from './find-command.js';
import { describeMachine } from './machine.js';
import { measureDataplane } from './measure-dataplane.js';
import { measureFootprint } from './measure-footprint.js';
import { measureKubernetes } from './measure-kubernetes.js';
import { measureMemory } from './measure-memory.js';
import { measureObserve } from './measure-observe.js';
import { measurePolicy } from './measure-policy.js';
import { measureRegistries } from './measure-registry.js';
import { measureBursts, measureRequests } from './measure-requests.js';
import { measureScale } from './measure-scale.js';
import { measureTunnels } from './measure-tunnels.js';
import { Mesh } from './mesh.js';
import { type Options, readOptions, usage } from './options.js';
import { report } from './report.js';
import type { Results } from './results.js';
import { rounded } from './statistics.js';
import { startSystems } from './system.js';
import { judge } from './targets.js';

async function run({ plan, only, named, profile, quick }: Options, cleanup: Cleanup): Promise<Results> {
  const started = new Date();
  const skipped: string[] = [];
  const machine = describeMachine();
  const say = (text: string): void => {
    process.stderr.write(`${text} …\n`);
  };
  removeRemains();
  say('starting two nodes');
  if (profile !== undefined) mkdirSync(profile, { recursive: true });
  const mesh = new Mesh(Math.max(plan.pods, plan.burst), cleanup, profile);
  try {
    const systems = await startSystems(mesh);
    const requests = only.has('requests') ? await measureRequests(mesh, systems, plan, say) : undefined;
    const bursts = only.has('burst') ? await measureBursts(systems, plan, say) : [];
    const missing = ['iperf3', 'ping'].filter((command) => !findCommand(command, searchPath));
    if (missing.length > 0)
      skipped.push(`throughput and round trips: ${missing.join(' and ')} not installed`);
    const packets = missing.length === 0 && (only.has('dataplane') || only.has('tunnels'));
    const wires = packets ? bareWires(mesh) : undefined;
    const dataplane =
      wires && only.has('dataplane') ? await measureDataplane(mesh, wires, plan, cleanup, say) : [];
    const { figures: tunnels, skipped: without } =
      wires && only.has('tunnels')
        ? await measureTunnels(mesh, wires, plan, cleanup, say)
        : { figures: [], skipped: [] };
    skipped.push(...without);
    const memory = only.has('memory') ? await measureMemory(mesh, plan, say) : undefined;
    const scale = only.has('scale') ? await measureScale(mesh, plan, say) : [];
    const footprint = only.has('footprint') ? await measureFootprint(mesh, plan, cleanup, say) : [];
    const policy = only.has('policy') ? measurePolicy(say) : [];
    const observe = only.has('observe') ? await measureObserve(mesh, systems, plan, say) : undefined;
    const cluster = named ? await Cluster.open(cleanup) : 'a cluster is measured when --only names the part';
    const { figures: registries, skipped: withoutRegistry } = only.has('registry')
      ? await measureRegistries(mesh, plan, cluster, say)
      : { figures: [], skipped: [] };
    skipped.push(...withoutRegistry);
    const kubernetes = only.has('kubernetes') ? await measureKubernetes(cluster, plan, say) : undefined;
    if (typeof kubernetes === 'string') skipped.push(`kubernetes: ${kubernetes}`);
    const figures = {
      policy,
      registries,
      requests: requests?.requests ?? [],
      bursts,
      dataplane,
      tunnels,
      scale,
      footprint,
      ...(observe ? { observe } : {}),
      ...(typeof kubernetes === 'object' ? { kubernetes } : {}),
    };
    return {
      benchmark: 'network-service-mesh',
      version: 1,
      started: started.toISOString(),
      seconds: rounded((Date.now() - started.getTime()) / 1000),
      quick,
      machine,
      ...figures,
      ...(requests ? { floorParts: requests.parts } : {}),
      cpu: requests?.cpu ?? [],
      ...(memory ? { memory } : {}),
      targets: judge(figures),
      skipped,
    };
  } catch (error) {
    // A program that died explains a failed request better than the request does.
    mesh.check();
    throw error;
  } finally {
    await mesh.stop();
  }
}

const fail = (error: unknown): void => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
};

let options: Options | undefined;
try {
  const read = readOptions(process.argv.slice(2));
  options = { ...read, profile: read.profile === undefined ? undefined : resolve(read.profile) };
} catch (error) {
  fail(error);
  process.stderr.write(`${usage}\n`);
}
if (options) {
  const cleanup = new Cleanup();
  try {
    const results = await run(options, cleanup);
    process.stdout.write(options.json ? `${JSON.stringify(results, undefined, 2)}\n` : report(results));
  } catch (error) {
    fail(error);
  } finally {
    cleanup.run();
  }
  // Channels to processes that have ended keep trying.
  process.exit();
}
