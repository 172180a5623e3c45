// What the registry has to do for one manager: a watch, and a lease that is renewed. Keeps no copy, so that a thousand fit into a process.
import { Channel, type Credentials, registry } from '@nsm/api';
import * as etcd from '@nsm/api/etcd';

/** Milliseconds, as of every manager. */
const leaseMs = 10_000;

export interface FollowerOptions {
  readonly url: string;
  readonly name: string;
  readonly credentials: Credentials;
}

/** @param heard is called with the name of each endpoint that it hears of, from when `follow` has resolved. */
export type Follow = (options: FollowerOptions, heard: (endpoint: string) => void) => Promise<void>;

/** By what the URL begins with. */
export const follows: Readonly<Record<string, Follow>> = {
  async nsm({ url, name, credentials }, heard) {
    const channel = new Channel(url.slice('nsm://'.length), { credentials });
    const client = channel.client(registry.Registry);
    const manager = { name, address: '192.0.2.1:5001' };
    await renewing(() => client.registerManager({ manager, leaseMs }));
    await new Promise<void>((resolve, reject) => {
      const follow = async (): Promise<void> => {
        for await (const { event } of client.watch({})) {
          if (event.case === 'synced') resolve();
          if (event.case === 'endpointPut') heard(event.value.nseProviderName);
        }
      };
      void follow().catch(reject);
    });
  },

  async etcd({ url, name }, heard) {
    const channel = new Channel(url.slice('etcd://'.length));
    const { id } = await channel.client(etcd.Lease).leaseGrant({ ttl: BigInt(leaseMs / 1000) });
    await channel
      .client(etcd.KV)
      .txn({ success: [{ request: { case: 'requestPut', value: putOf(name, id) } }] });
    await renewing(() => channel.client(etcd.Lease).leaseKeepAlive({ id }));
    await new Promise<void>((resolve, reject) => {
      const follow = async (): Promise<void> => {
        const value = { key: Buffer.from('/nsm/endpoint/'), rangeEnd: Buffer.from('/nsm/store\0') };
        const requestUnion = { case: 'createRequest', value } as const;
        for await (const { created, events } of channel.client(etcd.Watch).watch({ requestUnion })) {
          if (created) resolve();
          for (const { kv } of events)
            heard(
              Buffer.from(kv?.key ?? [])
                .toString()
                .split('/')
                .at(-1) ?? '',
            );
        }
      };
      void follow().catch(reject);
    });
  },
};

function putOf(name: string, lease: bigint): { key: Uint8Array; value: Uint8Array; lease: bigint } {
  return { key: Buffer.from(`/nsm/lease/${name}`), value: Buffer.from('192.0.2.1:5001'), lease };
}

/** Now, and every third of the lease. */
async function renewing(renew: () => Promise<unknown>): Promise<void> {
  await renew();
  const again = (): unknown => setInterval(() => void renew().catch(() => undefined), leaseMs / 3);
  setTimeout(again, (Math.random() * leaseMs) / 3);
}
