// The network service manager of one node: every part is made here, started in order of dependence, stopped in reverse.
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { admin, Channel, connect, endpoint, NsmError, proxy, registry as reg, Server } from '@nsm/api';
import { type LendingOptions, lentDevicesIn, startForwarderThread } from '@nsm/forwarder';
import { currentNamespace, IpPrefix, peerCredentials } from '@nsm/netlink';
import { FolderLock, openRegistry } from '@nsm/registry';
import type { Logger } from 'pino';
import { AddressPools } from './addresses/address-pools.js';
import { Identifiers } from './addresses/identifiers.js';
import { admitName, admitPool } from './admission/admission.js';
import { NamespaceGuard } from './admission/namespace-guard.js';
import { admitTunnelAddress, warnOfStrangeAddresses } from './admission/own-addresses.js';
import { checkPidNamespace } from './admission/pid-namespace.js';
import { Abilities } from './choice/abilities.js';
import { EndpointHealth } from './choice/endpoint-health.js';
import { TunnelOffers } from './choice/tunnel-offers.js';
import { monotonicClock } from './clock.js';
import { ConnectionActs } from './connection/acts.js';
import { Reconciler } from './connection/reconciler.js';
import type { Forwarder } from './forwarder-client.js';
import { keepReachable } from './lifelines/keep-reachable.js';
import type { ManagerOptions } from './manager-options.js';
import { Advertising } from './others/advertising.js';
import { Catalogue } from './others/catalogue.js';
import { externalForwarder } from './others/external-forwarder.js';
import { LocalEndpoints } from './others/local-endpoints.js';
import { OwnerWatch } from './others/owner-watch.js';
import { PeerManagers } from './others/peer-managers.js';
import { leave, register } from './others/registration.js';
import { Rarely } from './rarely.js';
import type { RequestComponents } from './request/components.js';
import { establish } from './request/establish.js';
import type { Self } from './self.js';
import { adminService } from './services/admin-service.js';
import { clientService } from './services/client-service.js';
import type { ServiceComponents } from './services/components.js';
import { endpointService } from './services/endpoint-service.js';
import { proxyService } from './services/proxy-service.js';
import { keepComparing } from './signals/comparing.js';
import type { SignalComponents } from './signals/components.js';
import { endpointGone, processGone, watchForwarder } from './signals/losses.js';
import { watchNewEndpoints } from './signals/new-endpoints.js';
import { watchOwnAddresses } from './signals/own-addresses.js';
import { watchPeers } from './signals/peer-watch.js';
import { silenceOf } from './signals/silence-of.js';
import { load, resume } from './start/recovery.js';
import { takeName } from './start/unique-name.js';
import { ConnectionTable } from './state/connection-table.js';
import { Store } from './state/store.js';

/** Bytes: a pod may have hundreds of thousands of routes, and all interfaces of a node are listed at once. */
const maxForwarderReplyBytes = 64 << 20;
/**
 * Milliseconds for which a manager that stops waits for what it has begun, and for what takes it back: most of it milliseconds, but
 * another manager may be silent.
 */
const finishWithinMs = 3000;

/** Ids begin with it and must fit into an ifalias of 255 bytes. */
const maxNameLength = 128;

export class Manager {
  readonly #options: ManagerOptions;
  readonly #logger: Logger;
  readonly #stops: (() => Promise<void> | void)[] = [];
  #port = 0;

  /** @throws NsmError `invalid` for options that cannot work. */
  constructor(options: ManagerOptions) {
    admitName('the name of the manager', options.name);
    if (options.name.length > maxNameLength)
      throw new NsmError('invalid', `the name of the manager is longer than ${maxNameLength} characters`);
    if (options.tunnelAddress !== undefined) admitTunnelAddress(options.tunnelAddress);
    this.#options = {
      ...options,
      prefixes: options.prefixes.map((one) => ({ ...one, cidr: admitPool('--prefix', one.cidr) })),
    };
    this.#logger = options.logger.child({}, { serializers: { err: errorFields } });
  }

  /** TCP port listened on, once started. */
  get port(): number {
    return this.#port;
  }

  /** Resolves when every socket is served. A failed start leaves nothing behind. */
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
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        this.#logger.error({ err: error }, 'a part was not stopped as it should be');
      }
    }
  }

  async #start(): Promise<void> {
    const { name, runDir, stateDir } = this.#options;
    const logger = this.#logger;
    mkdirSync(runDir, { recursive: true });
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const lock = FolderLock.take(stateDir, `manager ${name}`, logger);
    this.#stops.push(() => lock[Symbol.dispose]());
    this.#stops.push(await takeName(name, logger));
    checkPidNamespace(logger);
    warnOfStrangeAddresses(this.#options, logger);
    const clock = monotonicClock;
    const monotonic = (): number => clock.now();

    const stopping = new AbortController();
    const store = new Store(stateDir, { logger: logger.child({ module: 'store' }) });
    this.#stops.push(() => store.close());
    store.admitManager(name);
    const forwarder = await this.#forwarder();
    const registry = openRegistry(this.#options.registry, {
      stateDir,
      logger: logger.child({ module: 'registry' }),
    });
    const prefixes = byService(this.#options.prefixes, ({ cidr }) => cidr);
    const peers = new PeerManagers(() => registry.managers());
    this.#stops.push(() => peers.stop());
    const guard = new NamespaceGuard(forwarder, this.#options.allowedUids, monotonic);
    const health = new EndpointHealth(monotonic);
    const owners = new OwnerWatch((ids) => processGone(signals, ids));
    this.#stops.push(() => owners.stop());
    const endpoints = new LocalEndpoints({ guard });
    const advertising = new Advertising(
      {
        endpoints,
        registry,
        store,
        guard,
        logger,
        onGone: (record, reason) => endpointGone(signals, record, reason),
      },
      { manager: name, prefixes },
    );
    this.#stops.push(() => advertising.stop());
    const abilities = new Abilities({ forwarder, logger });
    const self = this.#self(await abilities.learn());
    const connections = new ConnectionTable(store, Date.now);
    const { joins, lacking, physical } = abilities;
    const catalogue = new Catalogue({ registry, endpoints, connections, health, joins, lacking }, name);
    const pools = new AddressPools(registry, name);
    const identifiers = new Identifiers();
    const offers = new TunnelOffers(forwarder, this.#options.tunnelAddress ?? '');
    const requestTimeoutMs = this.#options.requestTimeout ?? 10_000;
    const rarely = new Rarely(monotonic);
    const known = { self, registry, connections, catalogue, health, endpoints, peers, owners, guard, rarely };
    const making: RequestComponents = {
      ...known,
      forwarder,
      joins,
      lacking,
      physical,
      offers,
      tunnels: byService(this.#options.tunnels, ({ type }) => type),
      pools,
      prefixes,
      identifiers,
      logger,
      ...(this.#options.faults ? { faults: this.#options.faults } : {}),
    };
    const acts = new ConnectionActs({
      ...known,
      forwarder,
      pools,
      identifiers,
      clock,
      logger,
      stopping: stopping.signal,
      establish: (admitted, signal) => establish(making, admitted, signal),
      silenceOf: (connection) => silenceOf(known, connection),
      requestTimeoutMs,
    });
    const reconciler = new Reconciler({
      table: connections,
      acts,
      clock,
      logger,
      stopping: stopping.signal,
    });
    // Twice: first what clients have asked for, with everything that takes it back; then what other managers have.
    let patience = finishWithinMs;
    const letFinish = async (): Promise<void> => {
      const began = monotonic();
      if (!(await reconciler.settled(patience)))
        logger.info('stopping in the middle of work: a restart ends it');
      patience = Math.max(0, patience - (monotonic() - began));
    };
    this.#stops.push(letFinish);
    const server = this.#server();
    if (registry.service) server.add(reg.Registry, registry.service);
    const signals: SignalComponents = {
      ...known,
      abilities,
      advertising,
      reconciler,
      forwarder,
      offers,
      clock,
      logger,
      stopping: stopping.signal,
      underlayListeners: new Set(),
      probeIntervalMs: this.#options.probeInterval ?? 500,
    };
    let recovered = (): void => undefined;
    const services: ServiceComponents = {
      ...making,
      ...signals,
      requestTimeoutMs,
      recovered: new Promise((resolve) => {
        recovered = resolve;
      }),
    };
    // Whoever asks for a connection must not hear that there is none, only because it is not known yet.
    load(making, store);
    server.add(proxy.ProxyConnection, proxyService(services));
    this.#port = await server.listenTcp(this.#options.listen);

    await registry.start();
    this.#stops.push(() => registry.stop());
    // One that comes back under the name of one that failed is another.
    registry.watch(({ event }) => {
      if (event.case === 'endpointRemoved') health.forget(event.value);
    });
    await register(services);
    this.#stops.push(() => leave(services));
    this.#stops.push(letFinish);
    this.#stops.push(() => stopping.abort());
    await resume(services, store);
    recovered();
    const newEndpoints = watchNewEndpoints(signals);
    this.#stops.push(() => newEndpoints[Symbol.dispose]());
    void watchForwarder(signals);
    void keepComparing(signals);
    void watchPeers(signals);
    void keepReachable(signals);
    void watchOwnAddresses(signals);
    await this.#serveUnix(services);
    logger.info({ name, port: this.#port, advertise: self.address, runDir, registry: registry.url }, 'ready');
  }

  /** Its address is known as soon as it listens. */
  #self(nodeId: string): Self {
    const { name, version = '', advertise } = this.#options;
    const port = (): number => this.#port;
    return {
      name,
      version,
      incarnation: randomUUID(),
      idPrefix: `${name}:${nodeId}-`,
      namespaceInode: ownNamespaceInode(),
      get address() {
        return advertise.replace(/:0$/, `:${port()}`);
      },
    };
  }

  async #forwarder(): Promise<Forwarder> {
    const { forwarderSocket, vxlanEngine } = this.#options;
    if (forwarderSocket !== undefined) {
      const channel = new Channel(`unix:${forwarderSocket}`, { maxReplyBytes: maxForwarderReplyBytes });
      this.#stops.push(() => channel.close());
      return externalForwarder(channel);
    }
    const thread = await startForwarderThread({
      runDir: this.#options.runDir,
      lending: this.#lending(),
      ...(vxlanEngine ? { vxlanEngine } : {}),
    });
    this.#stops.push(() => thread.stop());
    return thread.client;
  }

  #lending(): LendingOptions {
    const { lending, stateDir, tunnelAddress, listen, advertise } = this.#options;
    // Where other managers find this one, tunnels end too, unless it is said otherwise.
    const hosts = [listen, advertise].map((address) =>
      address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, ''),
    );
    const named = [...hosts, ...(tunnelAddress === undefined ? [] : [tunnelAddress])];
    const underlay = named.map((host) => IpPrefix.parseAddress(host)?.address ?? host);
    return { ...lending, folder: lentDevicesIn(stateDir), underlay };
  }

  #server(): Server {
    const logger = this.#logger;
    const server = new Server((error, method) => logger.error({ err: error, method }, 'internal error'), {
      onCrowd: (error) => logger.warn({ err: error }, 'connections are refused'),
    });
    this.#stops.push(() => server.stop());
    return server;
  }

  async #serveUnix(components: ServiceComponents): Promise<void> {
    const { runDir } = this.#options;
    const identify = peerCredentials;
    const onRemoved = (socket: string, error?: NsmError): void => {
      if (error)
        this.#logger.error({ socket, err: error }, 'a socket was removed, and cannot be made again yet');
      else this.#logger.warn({ socket }, 'a socket was removed by somebody else: made again');
    };
    // Any pod may ask; who asks is known by its credentials. Operators are whoever may open admin.sock.
    openToAll(runDir);
    const sockets = [
      ['client.sock', 0o666, this.#server().add(connect.ClientConnection, clientService(components))],
      ['endpoint.sock', 0o666, this.#server().add(endpoint.EndpointOperations, endpointService(components))],
      ['admin.sock', 0o600, this.#server().add(admin.Admin, adminService(components))],
    ] as const;
    for (const [file, mode, server] of sockets) {
      await server.listenUnix(join(runDir, file), { mode, identify, onRemoved });
    }
  }
}

/** @throws NsmError `privilege` when pods cannot enter a folder that is another user's. */
function openToAll(folder: string): void {
  const { mode } = statSync(folder);
  if ((mode & 0o005) === 0o005) return;
  try {
    chmodSync(folder, mode | 0o755);
  } catch (error) {
    throw new NsmError(
      'privilege',
      `--run-dir ${folder} belongs to another user and is closed to pods: chmod 755 it`,
      error,
    );
  }
}

function ownNamespaceInode(): number {
  using namespace = currentNamespace();
  return namespace.inode;
}

/** An expected failure says all in its code and message; only a surprise needs its stack. */
function errorFields(thrown: unknown): object {
  const { code, kind, message, stack } = NsmError.from(thrown);
  return { code, kind, message, ...(kind === 'internal' ? { stack } : {}) };
}

/** Settings by network service; under '' those for services without their own. */
function byService<Setting extends { readonly service?: string }, Value>(
  settings: readonly Setting[],
  read: (setting: Setting) => Value,
): ReadonlyMap<string, readonly Value[]> {
  const map = new Map<string, Value[]>();
  for (const setting of settings) {
    const { service = '' } = setting;
    map.set(service, [...(map.get(service) ?? []), read(setting)]);
  }
  return map;
}
