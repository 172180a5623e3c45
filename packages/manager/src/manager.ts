// The network service manager of one node: its parts are made (start/make-parts.ts), begun in order of dependence, and stopped in
// reverse.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { isManagerName, managerNameRule, NsmError } from '@nsm/api';
import { currentNamespace } from '@nsm/netlink';
import type { Logger } from 'pino';
import { admitPool } from './admission/admission.js';
import { keepReachable } from './lifelines/keep-reachable.js';
import type { ManagerOptions } from './manager-options.js';
import { countManager } from './metrics/count-manager.js';
import { register, unregister } from './peers/registration.js';
import { Readiness } from './readiness.js';
import type { Self } from './self.js';
import type { ServiceComponents } from './services/components.js';
import { podPort } from './services/pod-port.js';
import { recordChanges } from './signals/audit-changes.js';
import { tellPrefixes, watchCluster } from './signals/cluster-changes.js';
import { keepComparing } from './signals/comparing.js';
import { watchDisplacedEndpoints } from './signals/displaced-endpoints.js';
import { watchForwarder } from './signals/losses.js';
import { watchNewEndpoints } from './signals/new-endpoints.js';
import { watchOwnAddresses } from './signals/own-addresses.js';
import { watchPeers } from './signals/peer-watch.js';
import { watchPolicy } from './signals/policy-changes.js';
import { keepTellingLoads } from './signals/telling-loads.js';
import { admitTunnelAddress } from './start/admit-own-addresses.js';
import { listenTcp, listenUnix } from './start/listening.js';
import { makeParts } from './start/make-parts.js';
import { openFoundations } from './start/open-foundations.js';
import { load, resume } from './start/recovery.js';
import { foldersForPods } from './start/sockets-for-pods.js';
import { Stops } from './start/stops.js';
import { quote } from './untrusted-text.js';

/**
 * Milliseconds for which a manager that stops waits for what it has begun, and for what takes it back: most of it milliseconds, but
 * another manager may be silent.
 */
const finishWithinMs = 3000;

export class Manager {
  readonly #options: ManagerOptions;
  readonly #logger: Logger;
  readonly #stops: Stops;
  /** The parts that the manager still lacks before it can serve. */
  readonly readiness: Readiness = new Readiness();
  #port = 0;

  /** @throws NsmError `invalid` for options that cannot work. */
  constructor(options: ManagerOptions) {
    if (!isManagerName(options.name))
      throw new NsmError('invalid', `the name of the manager, ${quote(options.name)}, ${managerNameRule}`);
    if (options.tunnelAddress !== undefined) admitTunnelAddress(options.tunnelAddress);
    this.#options = {
      ...options,
      prefixes: options.prefixes.map((one) => ({ ...one, cidr: admitPool('--prefix', one.cidr) })),
    };
    this.#logger = options.logger.child({}, { serializers: { err: errorFields } });
    this.#stops = new Stops(this.#logger);
  }

  /**
   * Resolves when every socket is served. A failed start leaves nothing behind. A part that cannot go on later is an uncaught
   * exception, which ends the process: a restart loses no packet.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Leaves connections and endpoints as they are: the next start finds them again. Idempotent. */
  async stop(): Promise<void> {
    await this.#stops.run();
  }

  async #start(): Promise<void> {
    const { name, runDir } = this.#options;
    const logger = this.#logger;
    const stops = this.#stops;
    mkdirSync(runDir, { recursive: true });
    const { nodeId, ...foundations } = await openFoundations(this.#options, logger, stops);
    const { registry, store, state } = foundations;
    this.readiness.tryState = () => state.refusal();
    const self = this.#self(nodeId);
    const stopping = new AbortController();
    let haveRecovered = (): void => undefined;
    const recovered = new Promise<void>((resolve) => {
      haveRecovered = resolve;
    });
    const made = {
      ...foundations,
      self,
      logger,
      recovered,
      readiness: this.readiness,
      stopping: stopping.signal,
    };
    const parts = makeParts(made, this.#options, stops);
    const { metrics, onOrder } = this.#options;
    metrics?.add(countManager(parts, store));
    if (onOrder) parts.courses.onEnd(onOrder);
    // A stop calls it twice: once clients are not served any more, and once other managers are not served any more, either.
    const letFinish = finishing(parts);
    stops.add(letFinish);
    // No caller may hear that there is no connection, only because the record is not loaded yet.
    load(parts, store);
    this.readiness.have('table');
    this.#port = await listenTcp(parts, this.#options, stops);

    await registry.start();
    stops.add(() => registry.stop());
    // An endpoint that comes back under the name of one that failed is another endpoint.
    registry.watch(({ event }) => {
      // What was heard stays known while the registry is away.
      if (event.case === 'synced') this.readiness.have('registry');
      if (event.case === 'endpointRemoved') parts.health.forget(event.value);
    });
    await register(parts);
    stops.add(() => unregister(parts));
    stops.add(letFinish);
    stops.add(() => stopping.abort());
    await tellPrefixes(parts);
    await resume(parts, store);
    haveRecovered();
    this.#listen(parts);
    await this.#attachPods(parts);
    await listenUnix(parts, this.#options, stops);
    stops.add(() => this.readiness.lack('sockets', 'the manager stops'));
    logger.info({ name, port: this.#port, advertise: self.address, runDir, registry: registry.url }, 'ready');
  }

  /** From now on connections are marked with what happens. All that listens ends when the manager stops, or with the process. */
  #listen(parts: ServiceComponents): void {
    watchNewEndpoints(parts);
    watchDisplacedEndpoints(parts);
    watchPolicy(parts);
    watchCluster(parts);
    recordChanges(parts);
    void watchForwarder(parts);
    void keepComparing(parts);
    void keepTellingLoads(parts);
    void watchPeers(parts);
    void keepReachable(parts);
    void watchOwnAddresses(parts);
  }

  /** Finds out who is in a pod before the pod's first call. */
  async #attachPods(parts: ServiceComponents): Promise<void> {
    const { pods } = parts;
    if (!pods) return;
    this.#stops.add(() => pods.stop());
    await pods.start(podPort(parts, foldersForPods(this.#options.runDir)));
  }

  /** Who this manager is; the address is known as soon as the manager listens. */
  #self(nodeId: string): Self {
    const { name, version = '', advertise, credentials } = this.#options;
    const port = (): number => this.#port;
    using namespace = currentNamespace();
    return {
      name,
      version,
      security: credentials ? 'mtls' : 'insecure',
      domain: credentials?.current.identity.domain ?? '',
      incarnation: randomUUID(),
      idPrefix: `${name}:${nodeId}-`,
      namespaceInode: namespace.inode,
      get address() {
        return advertise.replace(/:0$/, `:${port()}`);
      },
    };
  }
}

/** What waits for work under way; all its calls together wait no longer than a stop may take. */
function finishing({ reconciler, clock, logger }: ServiceComponents): () => Promise<void> {
  let patienceMs = finishWithinMs;
  return async () => {
    const began = clock.now();
    if (!(await reconciler.settled(patienceMs)))
      logger.info('stopping in the middle of work: a restart ends it');
    patienceMs = Math.max(0, patienceMs - (clock.now() - began));
  };
}

/** An expected failure says all in its code and message; only a surprise needs its stack. */
function errorFields(thrown: unknown): object {
  const { code, kind, message, stack } = NsmError.from(thrown);
  return { code, kind, message, ...(kind === 'internal' ? { stack } : {}) };
}
