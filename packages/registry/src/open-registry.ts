// From a registry's URL to the implementation behind it.
import { NsmError, type ServiceImplementation, type registry as wire } from '@nsm/api';
import { type EmbeddedOptions, EmbeddedRegistry } from './embedded/embedded-registry.js';
import type { EtcdOptions } from './etcd/etcd-access.js';
import type { Registry } from './registry.js';
import { RemoteRegistry } from './remote/remote-registry.js';

export interface OpenOptions extends EmbeddedOptions {
  /** What is shown to an etcd. */
  readonly etcd?: EtcdOptions;
}

/** A registry that other processes are served from. */
export type ServedRegistry = Registry & { readonly service: ServiceImplementation<typeof wire.Registry> };

/**
 * `embedded:` (this process holds the records, under `stateDir`), `nsm://HOST:PORT` (another one does), `etcd://HOST:PORT,…` or
 * `kubernetes:[NAMESPACE]`. Opens nothing yet: `start()` does. What only some need is loaded for them alone.
 * @throws NsmError `invalid` for any other URL, or for options that do not go with it.
 */
export async function openRegistry(url: string, options: OpenOptions): Promise<Registry> {
  if (url === 'embedded:') return new EmbeddedRegistry(options);
  if (url.startsWith('nsm://')) return new RemoteRegistry(url, options);
  if (isEtcd(url)) {
    const { EtcdRegistry } = await import('./etcd/etcd-registry.js');
    return new EtcdRegistry(url, options);
  }
  if (/^kubernetes:/.test(url)) {
    const { openKubernetes } = await import('./kubernetes/open-kubernetes.js');
    return await openKubernetes(url, options);
  }
  throw new NsmError('invalid', `registry ${JSON.stringify(url)} is not known; ${known}`);
}

/**
 * The records that a registry on its own serves: `embedded:` or `etcd://HOST:PORT,…`.
 * @throws NsmError `invalid`, as `openRegistry`.
 */
export async function openStore(url: string, options: OpenOptions): Promise<ServedRegistry> {
  if (url === 'embedded:') return new EmbeddedRegistry(options);
  if (isEtcd(url)) {
    const { ServedEtcdRegistry } = await import('./etcd/served-etcd-registry.js');
    return new ServedEtcdRegistry(url, options);
  }
  throw new NsmError(
    'invalid',
    `store ${JSON.stringify(url)} is not known; use embedded: or etcd://HOST:PORT,…`,
  );
}

const isEtcd = (url: string): boolean => /^etcds?:/.test(url);

const known =
  'use embedded: (served by this process), nsm://HOST:PORT (another manager, or "nsm registry"), etcd://HOST:PORT,HOST:PORT or kubernetes:[NAMESPACE]';
