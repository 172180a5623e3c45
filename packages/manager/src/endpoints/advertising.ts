// How endpoints of this node come and go: advertised over the manager's socket, found again after a restart, withdrawn, and missed the
// moment they die.
import { type NetworkServiceEndpoint, NsmError, type PeerCredentials, Turns } from '@nsm/api';
import { unruled } from '@nsm/policy';
import { endpointKey, type Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import type { Shares } from '../admission/shares.js';
import { canonical } from '../canonical.js';
import { forEachLimited } from '../limited-concurrency.js';
import type { Gate } from '../policy/gate.js';
import type { Subjects } from '../policy/subjects.js';
import { identityOf } from '../state/namespace-identity.js';
import type { Store } from '../state/store.js';
import { quote } from '../untrusted-text.js';
import {
  type Advertised,
  type AdvertisementComponents,
  type AdvertisementOptions,
  admitAdvertisement,
} from './admit-advertisement.js';
import { logAdvertised, writeDown } from './endpoint-records.js';
import { requireShares } from './endpoint-shares.js';
import { isExhausted } from './endpoint-socket.js';
import { EndpointSockets } from './endpoint-sockets.js';
import type { LocalEndpoint, LocalEndpoints } from './local-endpoints.js';
import { identifyListener, isServed } from './socket-listener.js';

/** Services of an endpoint that are written down, or told to the registry, at the same time. */
const atOnce = 256;

export interface AdvertisingComponents extends AdvertisementComponents {
  readonly gate: Pick<Gate, 'admitProvider' | 'provides'>;
  readonly subjects: Pick<Subjects, 'of' | 'again'>;
  readonly endpoints: LocalEndpoints;
  readonly shares: Pick<Shares, 'require'>;
  readonly registry: Pick<Registry, 'registerEndpoint' | 'removeEndpoint' | 'settingsOf' | 'synced'>;
  readonly store: Pick<Store, 'endpoints' | 'putEndpoint' | 'removeEndpoint'>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called when an endpoint has died, was removed, or has lost its name to another process. */
  readonly onGone: (record: NetworkServiceEndpoint, reason: string) => void;
}

/** What the registry is being told: not part of a turn, because the registry may be away for long. */
interface Telling {
  readonly told: Promise<void>;
}

/** The same of endpoints; with the refusal of the first whose name an endpoint of another manager has. */
interface TellingOfNew {
  readonly told: Promise<NsmError | undefined>;
}

/** What is done with an endpoint is done in turn, by its key: on the disk first, then here; then the registry is told. */
export class Advertising {
  readonly #components: AdvertisingComponents;
  readonly #options: AdvertisementOptions;
  readonly #turns = new Turns();
  readonly #sockets = new EndpointSockets((socket, keys, reason) => {
    void forEachLimited(keys, (key) => this.#remove(key, reason, (one) => one.socket === socket), atOnce);
  });

  constructor(components: AdvertisingComponents, options: AdvertisementOptions) {
    this.#components = components;
    this.#options = options;
  }

  /**
   * Takes endpoints on, all or none. Advertising the same again changes nothing.
   * @throws NsmError `invalid`, `endpoint-unreachable`, or `conflict` when a living endpoint, here or at another manager, has that name.
   */
  async advertise(
    wanted: readonly NetworkServiceEndpoint[],
    peer: PeerCredentials | undefined,
  ): Promise<void> {
    const advertised = await admitAdvertisement(this.#components, this.#options, wanted, peer);
    const keys = advertised.map(({ key }) => key);
    // The advertisements of a pod, and of a user, go one after the other: each is counted before the next is taken on.
    const holders = advertised.flatMap(({ listener: { namespace, uid } }) => [
      `pod ${identityOf(namespace)}`,
      ...(uid === 0 ? [] : [`user ${uid}`]),
    ]);
    const { told, added } = await this.#turns.take([...new Set([...keys, ...holders])], async () => {
      requireShares(this.#components, advertised);
      for (const { record } of advertised) await this.#refuseTaken(record);
      const changed = advertised.filter((one) => !this.#isThere(one));
      const added = changed.filter(({ key }) => !this.#components.endpoints.has(key));
      await writeDown(this.#components, changed, atOnce);
      return { ...this.#put(changed), added };
    });
    // Where the registry is away they serve the clients of this node already, and the others when the registry is back.
    const refusal = this.#components.registry.synced ? await told : undefined;
    if (!refusal) return;
    for (const { key, record } of added)
      await this.#remove(key, refusal.message, (present) => present.record === record);
    throw refusal;
  }

  /** Tells the registry once more of an endpoint whose name an endpoint of another manager had. */
  async register(key: string): Promise<void> {
    const present = this.#components.endpoints.get(key);
    if (present?.state === 'serving') await this.#register(key, present.record);
  }

  /** Reconnects to the endpoints of an earlier life; those that no longer answer are removed. */
  async restore(): Promise<void> {
    const { registry, store } = this.#components;
    // The manager may have another name now.
    const records = store.endpoints().map((record) => this.#asNow(record));
    const paths = new Set(records.map(({ socketLocation }) => socketLocation));
    await Promise.all(
      [...paths].map(async (path) => {
        const served = records.filter(({ socketLocation }) => socketLocation === path);
        const listener = await identifyListener(this.#components, path).catch((thrown: unknown) => {
          if (isExhausted(thrown)) throw thrown;
          return NsmError.from(thrown);
        });
        if (listener instanceof NsmError)
          return await forEachLimited(
            served,
            async (record) => (await this.#forget(record, listener.message)).told,
            atOnce,
          );
        const { told } = this.#put(
          served.map((record) => ({ key: endpointKey(record), record, listener, ruled: unruled })),
        );
        if (registry.synced) await told;
      }),
    );
  }

  /**
   * Takes one out of the mesh, and leaves it to those that are connected to it.
   * @returns what removes it, and not one that was advertised under its name meanwhile.
   */
  withdraw(key: string): (reason: string) => Promise<void> {
    const { endpoints, registry } = this.#components;
    const present = endpoints.get(key);
    if (present && present.state !== 'leaving') {
      endpoints.set(key, { ...present, state: 'leaving' });
      // Where the registry is away, other managers are told when they ask.
      registry.removeEndpoint(present.record).catch(() => undefined);
    }
    return (reason) => this.#remove(key, reason, ({ record }) => record === present?.record);
  }

  /**
   * Lets go of every endpoint without removing any: they are found again at the next start. Resolves when nothing of them is being
   * written any more.
   */
  async stop(): Promise<void> {
    await this.#turns.ended();
    this.#sockets.close();
    this.#components.endpoints.clear();
  }

  /** A new policy: what may not be provided any more is withheld from the mesh, and what may be again is back. */
  async reconsider(): Promise<void> {
    await forEachLimited([...this.#components.endpoints.keys()], (key) => this.#reconsider(key), atOnce);
  }

  async #reconsider(key: string): Promise<void> {
    const { endpoints, registry } = this.#components;
    const telling = await this.#turns.take([key], async () => {
      const present = endpoints.get(key);
      if (!present || present.state === 'leaving') return undefined;
      const record = this.#asNow(present.record);
      const state = this.#stateOf(record);
      if (state === present.state && canonical(record) === canonical(present.record)) return undefined;
      endpoints.set(key, { ...present, record, state });
      return {
        told: state === 'serving' ? registry.registerEndpoint(record) : registry.removeEndpoint(record),
      };
    });
    // Where the registry is away, others are told when they ask.
    telling?.told.catch(() => undefined);
  }

  #stateOf(record: NetworkServiceEndpoint): LocalEndpoint['state'] {
    const { allowed, reason } = this.#components.gate.provides(record);
    if (!allowed)
      this.#components.logger.warn({ endpoint: endpointKey(record), reason }, 'endpoint withheld');
    return allowed ? 'serving' : 'denied';
  }

  /** The record with the present name of the manager and the present labels of the policy. */
  #asNow(record: NetworkServiceEndpoint): NetworkServiceEndpoint {
    const { provider, ...rest } = record;
    const networkServiceHost = this.#options.manager;
    return {
      ...rest,
      networkServiceHost,
      ...(provider ? { provider: this.#components.subjects.again(provider) } : {}),
    };
  }

  async #refuseTaken(record: NetworkServiceEndpoint): Promise<void> {
    const present = this.#components.endpoints.get(endpointKey(record))?.record;
    if (!present || present.socketLocation === record.socketLocation) return;
    if (!isServed(present.socketLocation)) return;
    throw new NsmError(
      'conflict',
      `endpoint ${quote(record.nseProviderName)} already provides ${quote(record.networkServiceName)} from ` +
        `${present.socketLocation}; stop that one, or choose another nse_provider_name`,
    );
  }

  /** Whether an endpoint is served already as it is advertised, by the same process. */
  #isThere({ key, record, listener }: Advertised): boolean {
    const present = this.#components.endpoints.get(key);
    if (present?.state !== 'serving') return false;
    const socket = this.#sockets.find(record.socketLocation, listener);
    return present.socket === socket && canonical(present.record) === canonical(record);
  }

  #put(advertised: readonly Advertised[]): TellingOfNew {
    const { logger, onGone } = this.#components;
    for (const { key, record, listener } of advertised) {
      const before = this.#components.endpoints.get(key);
      const socket = this.#sockets.join(key, record.socketLocation, listener);
      this.#components.endpoints.set(key, { record, socket, state: this.#stateOf(record) });
      if (!before || before.socket === socket) continue;
      this.#sockets.leave(key, before.socket);
      onGone(before.record, 'another process provides it now');
    }
    let refusal: NsmError | undefined;
    const register = async ({ key, record }: Advertised): Promise<void> => {
      const present = this.#components.endpoints.get(key);
      if (present?.record !== record || present.state !== 'serving') return;
      const refused = await this.#register(key, record);
      refusal ??= refused;
    };
    logAdvertised(logger, advertised);
    return { told: forEachLimited(advertised, register, atOnce).then(() => refusal) };
  }

  /** @returns the refusal, where an endpoint of another manager has its name. */
  async #register(key: string, record: NetworkServiceEndpoint): Promise<NsmError | undefined> {
    const { registry, logger } = this.#components;
    try {
      await registry.registerEndpoint(record);
      return undefined;
    } catch (thrown) {
      const error = NsmError.from(thrown);
      const isTaken = error.kind === 'conflict';
      const words = isTaken ? 'endpoint not known to the mesh' : 'endpoint not registered yet';
      logger.warn({ endpoint: key, err: error }, words);
      return isTaken ? error : undefined;
    }
  }

  /** @param isMeant whether the endpoint that has the key at its turn is the one to remove. */
  async #remove(key: string, reason: string, isMeant: (endpoint: LocalEndpoint) => boolean): Promise<void> {
    const telling = await this.#turns.take([key], async () => {
      const endpoint = this.#components.endpoints.get(key);
      if (!endpoint || !isMeant(endpoint)) return undefined;
      this.#components.endpoints.delete(key);
      this.#sockets.leave(key, endpoint.socket);
      return await this.#forget(endpoint.record, reason);
    });
    await telling?.told;
  }

  async #forget(record: NetworkServiceEndpoint, reason: string): Promise<Telling> {
    const { registry, store, logger, onGone } = this.#components;
    const key = endpointKey(record);
    logger.info({ endpoint: key, reason }, 'endpoint removed');
    await store
      .removeEndpoint(key)
      .catch((error: unknown) =>
        logger.error({ endpoint: key, err: error }, 'not removed from the disk: a restart looks for it'),
      );
    onGone(record, reason);
    const told = registry
      .removeEndpoint(record)
      .catch((error: unknown) =>
        logger.warn({ endpoint: key, err: error }, 'endpoint not removed from the registry yet'),
      );
    return { told };
  }
}
