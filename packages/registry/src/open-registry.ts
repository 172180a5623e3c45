// From a registry's URL to the implementation behind it.
import { NsmError } from '@nsm/api';
import { type EmbeddedOptions, EmbeddedRegistry } from './embedded-registry.js';
import type { Registry } from './registry.js';
import { RemoteRegistry } from './remote-registry.js';

/**
 * `embedded:` (this process holds the records, under `stateDir`) or `nsm://HOST:PORT` (another one does).
 * Opens nothing yet: `start()` does.
 * @throws NsmError `invalid` for any other URL.
 */
export function openRegistry(url: string, options: EmbeddedOptions): Registry {
  if (url === 'embedded:') return new EmbeddedRegistry(options);
  if (url.startsWith('nsm://')) return new RemoteRegistry(url, options);
  if (/^(etcd:\/\/|kubernetes:)/.test(url)) {
    throw new NsmError('invalid', `registry ${url} is not available in this version; ${known}`);
  }
  throw new NsmError('invalid', `registry ${JSON.stringify(url)} is not known; ${known}`);
}

const known =
  'use embedded: (served by this process) or nsm://HOST:PORT (another manager, or "nsm registry")';
