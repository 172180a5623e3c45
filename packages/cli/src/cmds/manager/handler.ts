// Runs a manager until it is interrupted.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { type ClusterNetworks, Manager, type NodePods } from '@nsm/manager';
import type { Logger } from 'pino';
import { healthOf } from '../../daemon/health-of.js';
import { createLogger } from '../../daemon/logger.js';
import { managerCredentials } from '../../daemon/manager-credentials.js';
import { metricsOf, tracesOf } from '../../daemon/observability.js';
import { policyOf } from '../../daemon/policy-of.js';
import { prepareRunDir } from '../../daemon/prepare-run-dir.js';
import { advertisedAddress } from '../../flags/advertised-address.js';
import { etcdOf } from '../../flags/etcd-flags.js';
import { lendingOf } from '../../flags/lending-flags.js';
import { aborted, interrupted } from '../../interrupted.js';
import { ownVersion } from '../../own-version.js';
import type { ManagerFlags } from './flags.js';

/** @param forwarderThread unless the forwarder is a process of its own. */
export async function runManager(flags: ManagerFlags, forwarderThread: Worker | undefined): Promise<void> {
  const signal = interrupted();
  const { name, runDir, listen, registry, tunnelAddress } = flags;
  const logger = createLogger(flags, { manager: name });
  const advertise = flags.advertise ?? advertisedAddress(listen);
  const forwarderSocket =
    flags.forwarderSocket ?? (flags.forwarder === 'external' ? join(runDir, 'forwarder.sock') : undefined);
  // A manager without privileges trusts its forwarder, which may be another user and have the folder.
  const owners = forwarderSocket && process.geteuid?.() !== 0 ? ownersOf(runDir) : [];
  prepareRunDir(runDir, { owners });
  using credentials = await managerCredentials(flags, logger);
  await using kubernetes = await kubernetesOf(flags, credentials?.current.identity.domain, logger);
  const policy = await policyOf(flags, logger);
  const metrics = metricsOf(flags.metricsListen, 'manager');
  await using traces = await tracesOf(flags.otlpEndpoint, 'manager', name, logger);
  const manager = new Manager({
    name,
    version: ownVersion(),
    runDir,
    stateDir: flags.stateDir,
    listen,
    advertise,
    registry,
    etcd: etcdOf(flags),
    ...(tunnelAddress ? { tunnelAddress } : {}),
    tunnels: flags.tunnel,
    vxlanEngine: flags.vxlanEngine,
    lending: lendingOf(flags),
    prefixes: flags.prefix,
    clusterPrefixes: flags.clusterPrefix,
    allowedUids: flags.allowUid,
    ...(policy === undefined ? {} : { policy }),
    ...(flags.auditLog === undefined ? {} : { auditLog: flags.auditLog }),
    ...(kubernetes ? { pods: kubernetes.pods, clusterNetworks: kubernetes.networks } : {}),
    limits: Object.fromEntries(flags.limit),
    probeIntervalMs: flags.probeInterval,
    ...(forwarderSocket ? { forwarderSocket } : {}),
    ...(forwarderThread ? { forwarderThread } : {}),
    ...(credentials ? { credentials } : {}),
    ...(metrics ? { metrics } : {}),
    ...(traces ? { onOrder: traces.record } : {}),
    insecureOperators: flags.insecureOperators ?? false,
    logger,
  });
  await using _health = await healthOf(flags.metricsListen, () => manager.readiness.missing(), metrics);
  await manager.start();
  await aborted(signal);
  logger.info('stopping');
  await manager.stop();
  logger.info('stopped');
}

/** Milliseconds for which a start waits to hear of the cluster's networks: connections that are there keep what they have. */
const networksPatienceMs = 3000;

interface Kubernetes extends AsyncDisposable {
  /** Of this node. */
  readonly pods: NodePods;
  readonly networks: ClusterNetworks;
}

/** Undefined where Kubernetes has no part in it. */
async function kubernetesOf(
  { registry, name, nodeName = name, attachPods }: ManagerFlags,
  domain: string | undefined,
  logger: Logger,
): Promise<Kubernetes | undefined> {
  const isOnKubernetes = registry.startsWith('kubernetes:');
  if (!isOnKubernetes && !attachPods) return undefined;
  const [{ PodAgent }, { KubernetesNetworks }, { KubeClient, loadKubeConfig }] = await Promise.all([
    import('@nsm/kubernetes/attach'),
    import('@nsm/kubernetes/cluster'),
    import('@nsm/kube-client'),
  ]);
  const client = new KubeClient(await loadKubeConfig());
  const pods = new PodAgent(
    { client, logger: logger.child({ module: 'pods' }) },
    { nodeName, manager: name, attach: attachPods ?? true, ...(domain ? { domain } : {}) },
  );
  const networks = new KubernetesNetworks(client, logger.child({ module: 'cluster' }));
  await networks.start(networksPatienceMs);
  const stop = async (): Promise<void> => {
    await networks[Symbol.asyncDispose]();
    client.stop();
  };
  return { pods, networks, [Symbol.asyncDispose]: stop };
}

function ownersOf(folder: string): readonly number[] {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat ? [stat.uid] : [];
}
