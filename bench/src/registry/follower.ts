// What the registry has to do for one manager: a watch, and a lease that is renewed. Keeps no copy, so that a thousand fit into a process.
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { Channel, type Credentials, registry } from '@nsm/api';
import * as etcd from '@nsm/api/etcd';
import {
  apiTime,
  KubeClient,
  type KubeObject,
  leases,
  loadKubeConfig,
  type Resource,
} from '@nsm/kube-client';
import { leaseLength } from '@nsm/registry/lease-length';
import { endpointObjects, managerObjects, serviceObjects } from '@nsm/registry/mesh-objects';

/** The end of an encoded RegistryEvent: its field 5 is true. */
const synced = Buffer.of((5 << 3) | 0, 1);
/** Milliseconds, as of every manager. */
const leaseMs = 10_000;

export interface FollowerOptions {
  readonly url: string;
  readonly name: string;
  /** How many there are in all. */
  readonly managers: number;
  readonly credentials: Credentials;
  /** Another of each: the registry counts connections by host. */
  readonly localAddress: string;
}

/**
 * Registers and watches until that ends.
 * @param joined is called when it has heard what there is.
 * @param heard is called with the name of each endpoint that it hears of later.
 */
type Follow = (
  options: FollowerOptions,
  joined: () => void,
  heard: (endpoint: string) => void,
) => Promise<void>;

/** Resolves when it has joined; from then on it follows for ever, as managers do. */
export function follow(options: FollowerOptions, heard: (endpoint: string) => void): Promise<void> {
  const follower = follows[options.url.split(':')[0] ?? ''];
  if (!follower) throw new Error(`there is no follower of ${options.url}`);
  return new Promise((joined) => {
    const again = (): void => {
      const ended = (): unknown => setTimeout(again, againMs * (1 + Math.random()));
      follower(options, joined, heard).then(ended, ended);
    };
    again();
  });
}

/** Milliseconds until the next attempt, at least. */
const againMs = 500;

/** By what the URL begins with. */
const follows: Readonly<Record<string, Follow>> = {
  async bare({ url, localAddress }, joined, heard) {
    const [host = '', port] = url.slice('bare://'.length).split(':');
    const socket = createConnection({ host, port: Number(port), localAddress });
    await once(socket, 'connect');
    joined();
    for await (const name of socket) heard(String(name));
  },

  async nsm({ url, name, credentials, localAddress }, joined, heard) {
    const [host = '', port] = url.slice('nsm://'.length).split(':');
    const from = { host, port: Number(port), localAddress };
    const to = async (): Promise<Socket> => {
      const socket = createConnection(from);
      await once(socket, 'connect');
      return socket;
    };
    using channel = new Channel(`${host}:${port}`, { credentials, connect: to });
    const client = channel.client(registry.Registry);
    const manager = { name, address: '192.0.2.1:5001' };
    using _renewal = await renewing(() => client.registerManager({ manager, leaseMs }));
    for await (const { event } of client.watch({ many: true })) {
      // What there is ends with `synced`; it is not decoded, which each manager would have a processor of its own for.
      if (event.case === 'many' && Buffer.from(event.value).subarray(-2).equals(synced)) joined();
      if (event.case === 'endpointPut') heard(event.value.nseProviderName);
    }
  },

  async etcd({ url, name }, joined, heard) {
    using channel = new Channel(url.slice('etcd://'.length));
    const { id } = await channel.client(etcd.Lease).leaseGrant({ ttl: BigInt(leaseMs / 1000) });
    const value = { key: Buffer.from(`/nsm/lease/${name}`), value: Buffer.from('192.0.2.1:5001'), lease: id };
    await channel.client(etcd.KV).txn({ success: [{ request: { case: 'requestPut', value } }] });
    using _renewal = await renewing(() => channel.client(etcd.Lease).leaseKeepAlive({ id }));
    const watched = { key: Buffer.from('/nsm/endpoint/'), rangeEnd: Buffer.from('/nsm/store\0') };
    const requestUnion = { case: 'createRequest', value: watched } as const;
    for await (const { created, events } of channel.client(etcd.Watch).watch({ requestUnion })) {
      if (created) joined();
      for (const { kv } of events)
        heard(
          Buffer.from(kv?.key ?? [])
            .toString()
            .split('/')
            .at(-1) ?? '',
        );
    }
  },

  async kubernetes({ url, name, managers }, joined, heard) {
    const namespace = url.slice('kubernetes:'.length);
    const kube = new KubeClient(await loadKubeConfig());
    const ended = new AbortController();
    try {
      const spec = { name, address: '192.0.2.1:5001', leaseMs };
      await kube.apply(managerObjects, { metadata: { name, namespace }, spec });
      const lease = { name: `manager-${name}`, namespace };
      const labels = { 'networkservicemesh.io/lease': 'manager' };
      const renewTime = apiTime();
      await kube.apply(leases, { metadata: { ...lease, labels }, spec: { holderIdentity: name, renewTime } });
      const renew = () => kube.patch(leases, lease, { spec: { renewTime: apiTime() } });
      using _renewal = await renewing(renew, leaseLength(leaseMs, managers));
      const follow = async <T extends KubeObject>(
        resource: Resource<T>,
        of: { readonly namespace?: string },
        tell: (object: KubeObject) => void,
      ): Promise<void> => {
        const resourceVersion = await kube.versionOf(resource, of);
        const watched = { ...of, resourceVersion, timeoutSeconds: 3600 };
        const events = await kube.watch(resource, watched, ended.signal);
        if (resource.kind === endpointObjects.kind) joined();
        for await (const { type, object } of events) if (type === 'ADDED') tell(object);
      };
      await Promise.race([
        follow(endpointObjects, {}, ({ metadata }) => heard(metadata.name.replace(/\..*/, ''))),
        follow(managerObjects, { namespace }, () => undefined),
        follow(serviceObjects, { namespace }, () => undefined),
      ]);
    } finally {
      ended.abort();
      kube.stop();
    }
  },
};

/** Now, and every third of the lease until it is disposed of. */
async function renewing(renew: () => Promise<unknown>, heldMs: number = leaseMs): Promise<Disposable> {
  await renew();
  const again = (): void => void renew().catch(() => undefined);
  let interval: NodeJS.Timeout | undefined;
  const first = setTimeout(
    () => {
      again();
      interval = setInterval(again, heldMs / 3);
    },
    (Math.random() * heldMs) / 3,
  );
  return {
    [Symbol.dispose]: () => {
      clearTimeout(first);
      clearInterval(interval);
    },
  };
}
