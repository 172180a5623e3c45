// An etcd's records as `nsm registry` serves them, to managers that have no access to the etcd.
import type { ServiceImplementation, registry as wire } from '@nsm/api';
import { serveRecords } from '../embedded/registry-service.js';
import { EtcdRegistry, type EtcdRegistryOptions } from './etcd-registry.js';

export class ServedEtcdRegistry extends EtcdRegistry {
  /** Whose records a caller may write, the certificate says with which it calls. */
  readonly service: ServiceImplementation<typeof wire.Registry>;

  /** @throws NsmError `invalid` when URL and options do not fit together. */
  constructor(url: string, { credentials: _, ...options }: EtcdRegistryOptions) {
    super(url, options);
    this.service = serveRecords(this.writer, this.cache, this.stopped);
  }
}
