// Requests of managers for certificates, as CertificateSigningRequest objects, and who may have one.
import type { CertificateSigningRequest } from '@nsm/kube-client';

/**
 * The name of the signer of the managers in a namespace: another mesh of the cluster has another one, and neither answers the other's.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
 */
export const signerOf = (namespace: string): string => `networkservicemesh.io/${namespace}`;

/** ConfigMap and Secret of the authority, in the namespace of the managers. */
export const authorityName = 'nsm-authority';

/** What the API server knows of the node whose pod has a token (KEP 4193; always there since Kubernetes 1.32). */
const nodeOfToken = 'authentication.kubernetes.io/node-name';

/** Usages that a manager's certificate has, for both ends of a connection. */
export const usages: readonly string[] = ['digital signature', 'client auth', 'server auth'];

export type Judgement =
  | { readonly allowed: true; readonly name: string }
  | { readonly allowed: false; readonly reason: string };

/**
 * A manager gets a certificate for the node that its pod runs on, as the API server knows it, whatever the request itself says: so
 * none gets the name of another.
 * @param account of the managers, such as `system:serviceaccount:nsm-system:nsm-manager`.
 */
export function judge({ spec }: CertificateSigningRequest, account: string): Judgement {
  if (spec.username !== account)
    return {
      allowed: false,
      reason: `${spec.username || 'nobody'} asks: only ${account} gets certificates of managers`,
    };
  const other = spec.usages.find((usage) => !usages.includes(usage));
  if (other !== undefined) return { allowed: false, reason: `usage ${other} is not that of a manager` };
  const [node, ...more] = spec.extra?.[nodeOfToken] ?? [];
  if (node === undefined || more.length > 0)
    return {
      allowed: false,
      reason:
        'its token is not bound to a pod on a node (Kubernetes 1.32 or later says which): use --tls-cert, --tls-key and --tls-ca',
    };
  return { allowed: true, name: node };
}

export function toRequestPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join(
    '\n',
  );
}

/** @returns DER; empty where there is no request. */
export function fromRequestPem(pem: string): Buffer {
  const [, body = ''] = /-----BEGIN CERTIFICATE REQUEST-----([^-]*)-----END/.exec(pem) ?? [];
  return Buffer.from(body, 'base64');
}
