// `nsm://[NAME@]HOST:PORT`: the records are held by another manager or by `nsm registry`.
import { create, toBinary } from '@bufbuild/protobuf';
import { Channel, NsmError, type ServiceClient, registry as wire } from '@nsm/api';
import { type FollowingOptions, FollowingRegistry } from '../following/following-registry.js';
import type { WantedState } from '../following/wanted-state.js';
import { ungathered } from '../records/gathered-events.js';
import type { RecordEvent } from '../records/record-cache.js';
import { checkEndpoint, checkManager } from '../records/valid-record.js';
import type { RecordWriter } from '../registry.js';
import { GatheredCalls, type MostOfCall } from './gathered-calls.js';
import { parseRemoteUrl } from './remote-url.js';

export class RemoteRegistry extends FollowingRegistry {
  protected readonly wanted: WantedState;
  readonly #newChannel: () => Channel;
  #channel: Channel;

  /** `url`: `nsm://[NAME@]HOST:PORT`; NAME is whose certificate must be there. @throws NsmError `invalid` */
  constructor(url: string, options: FollowingOptions = {}) {
    super(url, options);
    const { address, name } = parseRemoteUrl(url);
    const expected = name === undefined ? {} : { name };
    this.#newChannel = () => new Channel(address, { credentials: options.credentials, expected });
    this.#channel = this.#newChannel();
    this.wanted = this.wantedThrough(
      writerTo(() => this.#client(), this.writePatienceMs),
      this.writePatienceMs,
    );
  }

  protected async follow(complete: () => void): Promise<void> {
    const snapshot: RecordEvent[] = [];
    for await (const message of this.#client().watch({ many: true }, { signal: this.stopped })) {
      for (const { event } of ungathered(message)) {
        if (!this.#isSound(event)) continue;
        if (this.cache.synced) {
          this.cache.apply(event);
        } else if (event.case === 'synced') {
          this.cache.replace(snapshot);
          complete();
        } else {
          snapshot.push(event);
        }
      }
    }
  }

  protected reconnect(): void {
    this.#channel.close();
    this.#channel = this.#newChannel();
  }

  protected disconnect(): void {
    this.#channel.close();
  }

  #client(): ServiceClient<typeof wire.Registry> {
    return this.#channel.client(wire.Registry);
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

/** Less than the registry accepts in one request. */
const mostOfCall: MostOfCall = { count: 256, bytes: 512 * 1024 };

const sizeOf = (write: wire.EndpointWrite): number => toBinary(wire.EndpointWriteSchema, write).length;

/** One call for each write; fails at once while the registry is away. */
function writerTo(client: () => ServiceClient<typeof wire.Registry>, timeoutMs: number): RecordWriter {
  const options = { timeoutMs };
  const writeOne = async ({ write }: wire.EndpointWrite): Promise<void> => {
    if (write.case === 'put') await client().registerEndpoint({ endpoint: write.value }, options);
    else if (write.case === 'removal') await client().removeEndpoint(write.value, options);
  };
  const gathered = new GatheredCalls(mostOfCall, sizeOf, async (writes: readonly wire.EndpointWrite[]) => {
    try {
      if (writes.length > 1) {
        const { failures } = await client().writeEndpoints({ writes: [...writes] }, options);
        return failures.map((text) =>
          text === '' ? undefined : NsmError.fromAdmissionError(text, 'registry'),
        );
      }
    } catch (error) {
      // An older registry takes them one by one.
      if (NsmError.from(error).kind !== 'unimplemented') throw error;
    }
    return await Promise.all(writes.map((write) => writeOne(write).catch(NsmError.from)));
  });
  const add = (write: wire.EndpointWrite['write']): Promise<unknown> =>
    gathered.add(create(wire.EndpointWriteSchema, { write }));
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
      await add({ case: 'put', value: endpoint });
    },
    async removeEndpoint(key) {
      await add({ case: 'removal', value: create(wire.RemoveEndpointRequestSchema, key) });
    },
    async claim(name, holder) {
      return (await client().claim({ name, holder }, options)).holder;
    },
    async releaseClaim(name, holder) {
      await client().releaseClaim({ name, holder }, options);
    },
  };
}
