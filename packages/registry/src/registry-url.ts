// What a registry's URL may be: read without loading any registry.
import { NsmError } from '@nsm/api';
import { parseEtcdUrl } from './etcd/etcd-url.js';
import { meshNamespaceOf } from './kubernetes/kubernetes-url.js';
import { parseRemoteUrl } from './remote/remote-url.js';

/** Whose records a URL leads to. */
export type RegistryKind = 'embedded' | 'nsm' | 'etcd' | 'kubernetes';

/** @throws NsmError `invalid` for a URL of no registry. */
export function registryKindOf(url: string): RegistryKind {
  if (url === 'embedded:') return 'embedded';
  if (url.startsWith('nsm://')) {
    parseRemoteUrl(url);
    return 'nsm';
  }
  if (/^etcds?:/.test(url)) {
    parseEtcdUrl(url);
    return 'etcd';
  }
  if (url.startsWith('kubernetes:')) {
    meshNamespaceOf(url);
    return 'kubernetes';
  }
  throw new NsmError('invalid', `registry ${JSON.stringify(url)} is not known; ${known}`);
}

/** Of the records that a registry on its own serves. @throws NsmError `invalid` */
export function storeKindOf(url: string): 'embedded' | 'etcd' {
  const kind = /^(embedded|etcds?):/.test(url) ? registryKindOf(url) : undefined;
  if (kind === 'embedded' || kind === 'etcd') return kind;
  throw new NsmError(
    'invalid',
    `store ${JSON.stringify(url)} is not known; use embedded: or etcd://HOST:PORT,…`,
  );
}

const known =
  'use embedded: (served by this process), nsm://HOST:PORT (another manager, or "nsm registry"), etcd://HOST:PORT,HOST:PORT or kubernetes:[NAMESPACE]';
