// What the registry costs a mesh of a thousand managers: how soon all of them know of an endpoint, and what knowing takes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EtcdProcess } from '@nsm/testkit';
import type { Cluster } from './cluster.js';
import { searchPath } from './config.js';
import { findCommand } from './find-command.js';
import type { Mesh } from './mesh.js';
import type { Plan } from './options.js';
import { type Place, thisMachine } from './pod.js';
import { settled, type Usage } from './probe-usage.js';
import type { Program } from './program.js';
import type { Advertised, AdvertiserOptions } from './registry/advertiser-main.js';
import type { Arrivals, FollowersOptions } from './registry/followers-main.js';
import type { TellerOptions } from './registry/teller-main.js';
import { ratio, rounded, summarize } from './statistics.js';

export interface RegistryFigure {
  readonly kind: string;
  readonly managers: number;
  readonly endpoints: number;
  /** Seconds until the registry had all endpoints, of one advertiser at once. */
  readonly fillSeconds: number;
  /** Seconds until all managers had begun their watches, and heard what there was. */
  readonly joinSeconds: number;
  /** Milliseconds from an advertisement until a manager knows, of all managers and advertisements. */
  readonly knownMs: { readonly p50: number; readonly p99: number };
  /** The same until every manager knows. */
  readonly allKnownMs: { readonly p50: number; readonly p99: number };
  /** The same of a name that a process writes to as many connections, in turns with the advertisements. */
  readonly floorMs: { readonly p50: number; readonly p99: number };
  /** Of the two, round by round. */
  readonly ratio: number;
  /** Bytes that an idle manager holds more than in an empty mesh, of the whole process and of live JavaScript objects. */
  readonly managerMemory: number;
  readonly managerHeap: number;
  /** Of one processor, idle: the registry's process, where it is one of this machine's, and a manager's. */
  readonly registryCpu: number | undefined;
  readonly managerCpu: number;
}

const program = (name: string): string =>
  fileURLToPath(new URL(`./registry/${name}-main.js`, import.meta.url));
/** Long enough for an idle manager to give back what it needed while records arrived. */
const idleMs = 35_000;
/** Processes that the followers are in. */
const processes = 2;
const tellerAt = { host: '127.0.0.1', port: 5009 };

/** A registry that runs. */
interface Served {
  readonly kind: string;
  readonly url: string;
  readonly pid?: number;
  /** Namespace of endpoints. Default: "default". */
  readonly namespace?: string;
  /** Where it is reached from. */
  readonly node: 'a' | undefined;
  /** Flags of managers. */
  readonly flags?: readonly string[];
  stop(): Promise<void>;
}

export async function measureRegistries(
  mesh: Mesh,
  plan: Plan,
  cluster: Cluster | string,
  say: (text: string) => void,
): Promise<{ readonly figures: RegistryFigure[]; readonly skipped: readonly string[] }> {
  const figures: RegistryFigure[] = [];
  const skipped: string[] = [];
  const measure = async (served: Served): Promise<void> => {
    try {
      figures.push(await measureRegistry(mesh, served, plan, say));
    } finally {
      await served.stop();
    }
  };
  await measure(await serveRecords(mesh));
  if (findCommand('etcd', searchPath)) await measure(await serveEtcd(mesh));
  else skipped.push('registry of etcd: etcd not installed');
  const records = typeof cluster === 'string' ? cluster : await serveObjects(cluster);
  if (typeof records === 'string') skipped.push(`registry of kubernetes: ${records}`);
  // An API server on a machine of two processors may fall behind a thousand managers; what the others cost is known all the same.
  else
    await measure(records).catch((error: Error) =>
      skipped.push(`registry of kubernetes, with ${plan.followers} managers: ${error.message}`),
    );
  return { figures, skipped };
}

async function serveRecords(mesh: Mesh): Promise<Served> {
  const listen = `${mesh.underlay.a}:5007`;
  const served = await mesh.startRegistry('bench-registry', listen);
  return { kind: 'embedded', url: `nsm://${listen}`, pid: served.pid, node: 'a', stop: () => served.stop() };
}

async function serveEtcd(mesh: Mesh): Promise<Served> {
  const place = { namespace: mesh.nodes.a.name, address: mesh.underlay.a, clientPort: 2379, peerPort: 2380 };
  const etcd = new EtcdProcess('bench', new Map([['bench', place]]));
  await etcd.start();
  return { kind: 'etcd', url: `etcd://${etcd.member}`, pid: etcd.pid, node: 'a', stop: () => etcd.stop() };
}

/** In a namespace of its own, which goes with all that is in it. @returns why not, where the cluster has no such objects. */
async function serveObjects(cluster: Cluster): Promise<Served | string> {
  if (!(await cluster.hasCustomResources()))
    return 'the cluster has no custom resources of the mesh: kubectl apply --server-side -f deploy/kubernetes/crds';
  const namespace = await cluster.makeNamespace('records');
  return {
    kind: 'kubernetes',
    url: `kubernetes:${namespace}`,
    namespace,
    node: undefined,
    flags: ['--no-attach-pods', '--insecure'],
    stop: async () => cluster.removeNamespace(namespace),
  };
}

async function measureRegistry(
  mesh: Mesh,
  { kind, url, pid, namespace = 'default', node, flags = [] }: Served,
  { followers: managers, records: endpoints, advertisements }: Plan,
  say: (text: string) => void,
): Promise<RegistryFigure> {
  const { pkiDir } = mesh;
  const place = node ? mesh.nodes[node] : thisMachine;
  say(`registry ${kind}: ${endpoints} endpoints`);
  // First of all: on a cluster the first has to write for all what operators see, as one of a thousand does.
  const advertiser = mesh.start(place, `advertiser-${kind}`, program('advertiser'), {
    url,
    pkiDir,
    namespace,
  } satisfies AdvertiserOptions);
  await advertiser.ready();
  const manager = await mesh.startManager(`bench-known-${kind}`, node, 5008, url, flags);
  const before = await settled(manager);
  const fill = await advertiser.ask<Advertised>({
    names: Array.from({ length: endpoints }, (_, n) => `nse-${n}`),
  });

  say(`registry ${kind}: ${managers} managers join`);
  const joining = performance.now();
  const followers = await startFollowers(mesh, place, kind, url, managers);
  const joinSeconds = (performance.now() - joining) / 1000;
  await mesh.waitForService(`bench-known-${kind}`, `service-${endpoints / 10 - 1}`);

  say(`registry ${kind}: idle`);
  const idle = await idleShares(pid, manager);
  const after = await settled(manager);

  say(`registry ${kind}: ${advertisements} advertisements`);
  const teller = mesh.start(place, `teller-${kind}`, program('teller'), tellerAt satisfies TellerOptions);
  await teller.ready();
  const bare = `bare://${tellerAt.host}:${tellerAt.port}`;
  const listeners = await startFollowers(mesh, place, `bare-${kind}`, bare, managers);
  const known: number[] = [];
  const allKnown: number[] = [];
  const floor: number[] = [];
  for (let n = 0; n < advertisements; n++) {
    const name = `probe-${n}`;
    const latencies = await untilHeard(advertiser, followers, name);
    known.push(...latencies);
    allKnown.push(Math.max(...latencies));
    floor.push(Math.max(...(await untilHeard(teller, listeners, name))));
  }
  for (const one of [...listeners, teller, ...followers, advertiser, manager]) await one.stop();
  return {
    kind,
    managers,
    endpoints,
    fillSeconds: rounded((fill.ended - fill.began) / 1000),
    joinSeconds: rounded(joinSeconds),
    knownMs: summarize(known, 0),
    allKnownMs: summarize(allKnown, 0),
    floorMs: summarize(floor, 0),
    ratio: ratio(allKnown, floor),
    managerMemory: after.rss - before.rss,
    managerHeap: after.heapUsed - before.heapUsed,
    ...idle,
  };
}

/** @returns when all of them have joined. */
async function startFollowers(
  mesh: Mesh,
  place: Place,
  label: string,
  url: string,
  managers: number,
): Promise<readonly Program[]> {
  const count = managers / processes;
  const groups = Array.from({ length: processes }, (_, n) =>
    mesh.start(place, `followers-${label}-${n}`, program('followers'), {
      url,
      pkiDir: mesh.pkiDir,
      first: n * count,
      count,
      managers,
    } satisfies FollowersOptions),
  );
  await Promise.all(groups.map((group) => group.ready()));
  return groups;
}

/** @returns milliseconds, of each follower. */
async function untilHeard(author: Program, followers: readonly Program[], name: string): Promise<number[]> {
  const { began } = await author.ask<Advertised>({ names: [name] });
  const heard = await Promise.all(followers.map((group) => group.ask<Arrivals>({ await: name })));
  return heard.flatMap(({ at }) => at.map((time) => time - began));
}

async function idleShares(
  pid: number | undefined,
  manager: Program,
): Promise<{ readonly registryCpu: number | undefined; readonly managerCpu: number }> {
  const look = async () => ({
    registry: pid === undefined ? undefined : cpuSeconds(pid),
    manager: (await manager.ask<Usage>({ collect: false })).cpu / 1e6,
    at: performance.now(),
  });
  const first = await look();
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const second = await look();
  const seconds = (second.at - first.at) / 1000;
  return {
    registryCpu:
      first.registry === undefined || second.registry === undefined
        ? undefined
        : rounded((second.registry - first.registry) / seconds),
    managerCpu: rounded((second.manager - first.manager) / seconds),
  };
}

/** Of all threads, in user space and in the kernel: proc(5), whose unit is a hundredth of a second everywhere. */
function cpuSeconds(pid: number): number {
  const fields =
    readFileSync(join('/proc', String(pid), 'stat'), 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
