// The interface of every registry: a local view of managers and endpoints, and what this process wants in it.
import type { NetworkServiceEndpoint, registry, ServiceImplementation } from '@nsm/api';

/** What names an endpoint; an empty namespace means "default". */
export type EndpointKey = Pick<
  NetworkServiceEndpoint,
  'networkServiceName' | 'nseProviderName' | 'nseProviderNamespace'
>;

/** An endpoint to remove: with a host, only if that manager serves it. */
export type EndpointRemoval = EndpointKey & Partial<Pick<NetworkServiceEndpoint, 'networkServiceHost'>>;

/** What a caller fills in of a manager's record; the rest is the registry's to say. */
export type ManagerRecord = Pick<registry.Manager, 'name' | 'address'> &
  Partial<Pick<registry.Manager, 'external' | 'version' | 'drained' | 'security' | 'trustDomain'>>;

/**
 * The writes. A refusal rejects with NsmError kind `invalid` (a malformed record) or `conflict`; any other
 * kind means that the write may or may not have happened.
 */
export interface RecordWriter {
  /**
   * Writes a manager's record and holds it for `leaseMs` (milliseconds, 1000 to 3600000).
   * Refused with `conflict` while another address holds a live lease on the name.
   */
  registerManager(manager: ManagerRecord, leaseMs: number): Promise<void>;
  /** Removes a manager's record, the endpoints it serves and the claims it holds; of an unknown one, nothing. */
  removeManager(name: string): Promise<void>;
  /** Says that a manager has stopped and will come back: it is not alive any more, and all of its stays. */
  endLease(name: string): Promise<void>;
  /**
   * Adds an endpoint, or replaces the one with the same key. Refused with `conflict` while another manager, which is alive, serves that;
   * on Kubernetes, where the names of pods are names of endpoints, the last one has it.
   */
  registerEndpoint(endpoint: NetworkServiceEndpoint): Promise<void>;
  /** Removes an endpoint; of an unknown one, or one that has moved to another manager, nothing. */
  removeEndpoint(removal: EndpointRemoval): Promise<void>;
  /** Takes `name` for `holder` (the name of a manager that is alive here) unless somebody has it. Returns who has it now. */
  claim(name: string, holder: string): Promise<string>;
  /** Gives a claim back; does nothing when `holder` does not have it. */
  releaseClaim(name: string, holder: string): Promise<void>;
}

/** What an operator has said of a network service in the registry. */
export interface ServiceSettings {
  /** From which its clients get addresses, where the endpoint has none. */
  readonly prefixes: readonly string[];
  /** Labels that an endpoint must have, beside those that a client asks for. */
  readonly selector: Readonly<Record<string, string>>;
}

/** How one of several processes that hold the records answers. */
export interface RegistryMember {
  /** HOST:PORT. */
  readonly address: string;
  /** Why it does not, '' when it does. */
  readonly error: string;
  /** Milliseconds. */
  readonly elapsedMs: number;
}

export type RegistryListener = (event: registry.RegistryEvent) => void;

/**
 * A registry as one process uses it.
 *
 * Reads come from a local copy that a watch keeps current: they never wait for the network, and they go on
 * working while the registry is away. A write resolves when the registry has it; the copies follow, this
 * process's own as well, within a round trip.
 *
 * Managers, endpoints and claims that were registered stay *wanted* until they are removed here or `stop()` is
 * called: a manager's lease is renewed every third of it, and everything is written again when the registry was
 * away or lost its store. If the registry cannot be reached, a write rejects after about 3 s with kind
 * `registry`, and is carried out when the registry is back; only a claim that rejects is given up, and released.
 * A refused write (`invalid`, `conflict`) is forgotten.
 */
export interface Registry extends RecordWriter {
  readonly url: string;
  /** True while the copy is complete and the registry answers. */
  readonly synced: boolean;
  /** What a gRPC server offers to other managers; set if this process holds the records (`embedded:`). */
  readonly service?: ServiceImplementation<typeof registry.Registry>;
  /** Resolves within about a second, synced or not: a registry that cannot be reached is tried again for ever. */
  start(): Promise<void>;
  /** Stops watching and renewing, for good; removes nothing from the registry. May be called twice. */
  stop(): Promise<void>;
  /** Managers by name. */
  managers(): ReadonlyMap<string, registry.Manager>;
  endpoints(): Iterable<NetworkServiceEndpoint>;
  endpointsOf(service: string): readonly NetworkServiceEndpoint[];
  /**
   * Calls `listener` with everything present (before this returns), with `synced` once the copy is complete,
   * and then with every change. Records are shared: they must not be written to.
   */
  watch(listener: RegistryListener): Disposable;
  /** Asks every member, where there are several. */
  members?(): Promise<readonly RegistryMember[]>;
  /** What is said of a network service, where a registry has such settings. */
  settingsOf?(service: string): ServiceSettings | undefined;
  /**
   * Tells how many connections the endpoints of this manager have, by `endpointKey`, where the registry shows that to operators. Endpoints that are
   * not in the copy are left out. Rejects when the registry does not take it.
   */
  tellLoads?(loads: ReadonlyMap<string, number>): Promise<void>;
}

/** The part of a pino logger that a registry uses. */
export interface RegistryLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: RegistryLogger = { info() {}, warn() {}, error() {} };
