// The certificate of a manager, or an operator, of the test's own, as any gRPC client shows it: what a node that somebody has taken over could do.
import { createPublicKey } from 'node:crypto';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { Authority, keyToPem, newKey, toPem } from '@nsm/pki';

/** Folder of the authority of all managers on this machine. */
const pkiDir = '/var/lib/nsm/pki';

/** Credentials of a manager, or an operator, named `name` in the mesh of this machine. Root only. */
export const memberCredentials = (
  name: string,
  kind: 'manager' | 'operator' = 'manager',
): ChannelCredentials => {
  const authority = Authority.open(pkiDir);
  const key = newKey();
  const certificate = authority.issue(createPublicKey(key), { kind, name }, 3_600_000);
  const [ca, own] = [toPem(authority.certificates), toPem([certificate])];
  return credentials.createSsl(Buffer.from(ca), Buffer.from(keyToPem(key)), Buffer.from(own), {
    // What is in the certificate is a URI, and no host.
    checkServerIdentity: () => undefined,
  });
};
