// `nsm://[NAME@]HOST:PORT`: the records are held by another manager or by `nsm registry`.
import { create } from '@bufbuild/protobuf';
import { Channel, isIdentityName, NsmError, type ServiceClient, registry as wire } from '@nsm/api';
import { CachedRegistry, type RegistryOptions } from './cached-registry.js';
import { pause } from './clock.js';
import { failuresOf, GatheredWrites } from './gathered-writes.js';
import type { RecordEvent } from './record-cache.js';
import type { RecordWriter } from './registry.js';
import { checkEndpoint, checkManager } from './valid-record.js';
import type { WantedState } from './wanted-state.js';

/** How long `start` waits for a registry that answers, milliseconds. */
const startPatienceMs = 1000;
/** How long a write is tried, milliseconds. */
const writePatienceMs = 3000;
/** Pause before the next connection, milliseconds: doubles from first to last. */
const reconnectPause = { first: 50, last: 2000 };

export class RemoteRegistry extends CachedRegistry {
  protected readonly wanted: WantedState;
  readonly #newChannel: () => Channel;
  readonly #stopped = new AbortController();
  #channel: Channel;
  #following: Promise<void> | undefined;

  /** `url`: `nsm://[NAME@]HOST:PORT`; NAME is whose certificate must be there. @throws NsmError `invalid` */
  constructor(url: string, options: RegistryOptions = {}) {
    super(url, options);
    const { address, name } = parseUrl(url);
    const expected = name === undefined ? {} : { name };
    this.#newChannel = () => new Channel(address, { credentials: options.credentials, expected });
    this.#channel = this.#newChannel();
    this.wanted = this.wantedThrough(
      writerTo(() => this.#client()),
      writePatienceMs,
    );
  }

  async start(): Promise<void> {
    if (this.#following) return;
    const tried = new AbortController();
    this.#following = this.#follow(() => tried.abort());
    await pause(this.clock, startPatienceMs, tried.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.wanted.stop();
    this.#channel.close();
    await this.#following;
  }

  #client(): ServiceClient<typeof wire.Registry> {
    return this.#channel.client(wire.Registry);
  }

  /** Watches for ever, over a new connection after each failure; `tried` is called after the first attempt. */
  async #follow(tried: () => void): Promise<void> {
    const { signal } = this.#stopped;
    let wait = reconnectPause.first;
    let said = false;
    while (!signal.aborted) {
      try {
        await this.#watch(() => {
          if (said) this.logger.info({ registry: this.url }, 'the registry is back');
          wait = reconnectPause.first;
          said = false;
          tried();
        });
      } catch (thrown) {
        if (signal.aborted) break;
        const error = NsmError.from(thrown);
        // Too far behind is no failure of the connection.
        if (error.kind !== 'overload') {
          if (!said) this.logger.warn({ registry: this.url, err: error }, 'the registry does not answer');
          said = true;
          this.#channel.close();
          this.#channel = this.#newChannel();
        }
      }
      this.cache.synced = false;
      tried();
      // Half of it is chance, so that the managers of a restarted registry do not come all at once.
      await pause(this.clock, wait * (0.5 + Math.random() / 2), signal);
      wait = Math.min(wait * 2, reconnectPause.last);
    }
    this.cache.synced = false;
  }

  /** One watch, from its snapshot to its end. */
  async #watch(synced: () => void): Promise<void> {
    const snapshot: RecordEvent[] = [];
    for await (const { event } of this.#client().watch({}, { signal: this.#stopped.signal })) {
      if (!this.#isSound(event)) continue;
      if (this.cache.synced) {
        this.cache.apply(event);
      } else if (event.case === 'synced') {
        this.cache.replace(snapshot);
        this.cache.synced = true;
        synced();
        void this.wanted.assertAll();
      } else {
        snapshot.push(event);
      }
    }
  }

  /** What another registry took from strangers is not used here when its names are none. */
  #isSound(event: RecordEvent): boolean {
    try {
      if (event.case === 'managerPut') checkManager(event.value);
      if (event.case === 'endpointPut') checkEndpoint(event.value);
      return true;
    } catch (error) {
      this.logger.warn({ registry: this.url, err: error }, 'the registry has a record that is none');
      return false;
    }
  }
}

/** One call for each write; fails at once while the registry is away. */
function writerTo(client: () => ServiceClient<typeof wire.Registry>): RecordWriter {
  const options = { timeoutMs: writePatienceMs };
  const writeOne = async ({ write }: wire.EndpointWrite): Promise<void> => {
    if (write.case === 'put') await client().registerEndpoint({ endpoint: write.value }, options);
    else if (write.case === 'removal') await client().removeEndpoint(write.value, options);
  };
  const gathered = new GatheredWrites(async (writes) => {
    const [first] = writes;
    try {
      if (first && writes.length > 1) return (await client().writeEndpoints({ writes }, options)).failures;
    } catch (error) {
      // An older registry takes them one by one.
      if (NsmError.from(error).kind !== 'unimplemented') throw error;
    }
    return await failuresOf(writes.map(writeOne));
  });
  return {
    async registerManager(manager, leaseMs) {
      await client().registerManager({ manager, leaseMs }, options);
    },
    async removeManager(name) {
      await client().removeManager({ name }, options);
    },
    async endLease(name) {
      await client().endLease({ name }, options);
    },
    async registerEndpoint(endpoint) {
      await gathered.add({ case: 'put', value: endpoint });
    },
    async removeEndpoint(key) {
      await gathered.add({ case: 'removal', value: create(wire.RemoveEndpointRequestSchema, key) });
    },
    async claim(name, holder) {
      return (await client().claim({ name, holder }, options)).holder;
    },
    async releaseClaim(name, holder) {
      await client().releaseClaim({ name, holder }, options);
    },
  };
}

function parseUrl(url: string): { readonly address: string; readonly name: string | undefined } {
  const [, name, address, port] = /^nsm:\/\/(?:([^/\s@]+)@)?([^/\s@]+:(\d{1,5}))\/?$/.exec(url) ?? [];
  if (address === undefined || Number(port) > 65_535 || (name !== undefined && !isIdentityName(name)))
    throw new NsmError('invalid', `registry ${url}: expected nsm://HOST:PORT or nsm://NAME@HOST:PORT`);
  return { address, name };
}
