// From a registry's URL to the implementation behind it.
import type { ServiceImplementation, registry as wire } from '@nsm/api';
import { type EmbeddedOptions, EmbeddedRegistry } from './embedded/embedded-registry.js';
import type { EtcdOptions } from './etcd/etcd-access.js';
import type { Registry } from './registry.js';
import { registryKindOf, storeKindOf } from './registry-url.js';
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
  switch (registryKindOf(url)) {
    case 'embedded':
      return new EmbeddedRegistry(options);
    case 'nsm':
      return new RemoteRegistry(url, options);
    case 'etcd': {
      const { EtcdRegistry } = await import('./etcd/etcd-registry.js');
      return new EtcdRegistry(url, options);
    }
    case 'kubernetes': {
      const { openKubernetes } = await import('./kubernetes/open-kubernetes.js');
      return await openKubernetes(url, options);
    }
  }
}

/**
 * The records that a registry on its own serves: `embedded:` or `etcd://HOST:PORT,…`.
 * @throws NsmError `invalid`, as `openRegistry`.
 */
export async function openStore(url: string, options: OpenOptions): Promise<ServedRegistry> {
  if (storeKindOf(url) === 'embedded') return new EmbeddedRegistry(options);
  const { ServedEtcdRegistry } = await import('./etcd/served-etcd-registry.js');
  return new ServedEtcdRegistry(url, options);
}
