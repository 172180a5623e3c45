// The mesh's authority on a cluster: its key in a Secret, which its signer alone may read, its certificates in a ConfigMap.
import {
  type ConfigMap,
  configMaps,
  type KubeClient,
  KubeError,
  type Secret,
  secrets,
} from '@nsm/kube-client';
import { Authority, certificatesFromPem, keyFromPem } from '@nsm/pki';
import { authorityName } from './request.js';

/** What is there, or a new one: of two signers that begin at the same time both find the same. */
export async function openAuthority(kube: KubeClient, namespace: string, domain: string): Promise<Authority> {
  const ref = { name: authorityName, namespace };
  const secret = await kube.get(secrets, ref).catch(async (error: unknown) => {
    if (!(error instanceof KubeError && error.reason === 'NotFound')) throw error;
    return await make(kube, namespace, domain);
  });
  const part = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
  const certificates = certificatesFromPem(part('ca.crt'));
  const authority = Authority.of(
    keyFromPem(part('ca.key')),
    certificates,
    domain,
    `Secret ${namespace}/${authorityName}`,
  );
  const shown: ConfigMap = { metadata: ref, data: { 'ca.crt': authority.toPem().certificates } };
  await kube.apply(configMaps, shown);
  return authority;
}

async function make(kube: KubeClient, namespace: string, domain: string): Promise<Secret> {
  const { key, certificates } = Authority.inMemory(domain).toPem();
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  const metadata = { name: authorityName, namespace };
  const secret: Secret = {
    metadata,
    type: 'Opaque',
    data: { 'ca.key': encoded(key), 'ca.crt': encoded(certificates) },
  };
  try {
    return await kube.create(secrets, secret);
  } catch (error) {
    if (!(error instanceof KubeError && error.reason === 'AlreadyExists')) throw error;
    return await kube.get(secrets, metadata);
  }
}
