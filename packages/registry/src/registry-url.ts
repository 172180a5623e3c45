// What a registry's URL may be: read without loading any registry.
import { isName, NsmError } from '@nsm/api';
import { parseEtcdUrl } from './etcd/etcd-url.js';
import { isNamespaceName } from './kubernetes/object-names.js';

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

/** `nsm://[NAME@]HOST:PORT`. @throws NsmError `invalid` */
export function parseRemoteUrl(url: string): { readonly address: string; readonly name: string | undefined } {
  const [, name, address, port] = /^nsm:\/\/(?:([^/\s@]+)@)?([^/\s@]+:(\d{1,5}))\/?$/.exec(url) ?? [];
  if (address === undefined || Number(port) > 65_535 || (name !== undefined && !isName(name)))
    throw new NsmError('invalid', `registry ${url}: expected nsm://HOST:PORT or nsm://NAME@HOST:PORT`);
  return { address, name };
}

/** Of `kubernetes:[NAMESPACE]`; '' where it names none. @throws NsmError `invalid` */
export function meshNamespaceOf(url: string): string {
  const namespace = url.slice('kubernetes:'.length);
  if (namespace === '' || isNamespaceName(namespace)) return namespace;
  throw new NsmError(
    'invalid',
    `registry ${url}: expected kubernetes: or kubernetes:NAMESPACE, with a namespace of the cluster`,
  );
}

const known =
  'use embedded: (served by this process), nsm://HOST:PORT (another manager, or "nsm registry"), etcd://HOST:PORT,HOST:PORT or kubernetes:[NAMESPACE]';
