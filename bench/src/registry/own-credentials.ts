// The certificate of a manager of the benchmark's mesh.
import { createPublicKey, type X509Certificate } from 'node:crypto';
import type { Credentials } from '@nsm/api';
import { Authority, defaultDomain, keyToPem, newKey, toPem } from '@nsm/pki';

export function ownCredentials(pkiDir: string, name: string): Credentials {
  const authority = Authority.open(pkiDir);
  const key = newKey();
  const identity = { kind: 'manager', name, domain: defaultDomain } as const;
  const own: X509Certificate = authority.issue(createPublicKey(key), identity, 86_400_000);
  const authorities = new Map([[defaultDomain, authority.certificates]]);
  return { current: { identity, key: keyToPem(key), chain: toPem([own]), authorities } };
}
