// Whether the other end of a TLS connection is who it says, and why not.
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { NsmError } from '../errors.js';
import type { Credential, ExpectedPeer } from './credentials.js';
import { type Identity, identityOf, spiffeIdOf } from './identity.js';

const sameMesh =
  'both need certificates of one authority: nsm manager --join, the same pki folder, or --tls-ca with both authorities';

/** What OpenSSL says of a chain, and what to do. */
const chainFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired: renew it, and compare the clocks of both machines',
  CERT_NOT_YET_VALID: 'is not valid yet: compare the clocks of both machines',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `is of an authority that is not trusted here: ${sameMesh}`,
  UNABLE_TO_GET_ISSUER_CERT: `is of an authority that is not trusted here: ${sameMesh}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `is of an authority that is not trusted here: ${sameMesh}`,
  SELF_SIGNED_CERT_IN_CHAIN: `is of an authority that is not trusted here: ${sameMesh}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: `is of an authority that is not trusted here: ${sameMesh}`,
  CERT_SIGNATURE_FAILURE: `is of an authority that is not trusted here, though it has a known name: ${sameMesh}`,
};

/**
 * Who is at the other end of a connection whose handshake is over.
 * @throws NsmError `untrusted`
 */
export function checkPeer(socket: TLSSocket, { authorities }: Credential): Identity {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw untrusted('shows no certificate');
  // A resumed session shows a certificate that was checked at another time, against other authorities.
  if (socket.isSessionReused()) throw untrusted('resumes a session: it must show its certificate each time');
  if (!socket.authorized) {
    // Declared an Error, it is the code of OpenSSL.
    const code = String(socket.authorizationError);
    throw untrusted(`has a certificate that ${chainFaults[code] ?? `does not hold: ${code}`}`);
  }
  // X.509-SVID, section 5.2: a certificate that may sign others is no identity.
  if (certificate.ca)
    throw untrusted('has a certificate of an authority, which is not to be shown as its own');
  const identity = identityOf(certificate);
  if (!identity)
    throw untrusted(
      `has a certificate for ${JSON.stringify(certificate.subjectAltName ?? '')}, which names neither a manager nor a registry nor an operator`,
    );
  // With one domain, each authority that OpenSSL found is one of it.
  const own = authorities.get(identity.domain) ?? [];
  if (own.length === 0 || (authorities.size > 1 && !signedByOneOf(certificate, own)))
    throw untrusted(
      `is ${spiffeIdOf(identity)}, and no authority of trust domain ${identity.domain} has signed its certificate: ${sameMesh}`,
    );
  return identity;
}

/**
 * Who is at the other end of a channel.
 * @throws NsmError `untrusted`
 */
export function checkExpected(socket: TLSSocket, credential: Credential, expected: ExpectedPeer): void {
  const identity = checkPeer(socket, credential);
  const { domain = credential.identity.domain, name = identity.name, kind } = expected;
  // An operator asks, and is never asked.
  const isMeant = kind === undefined ? identity.kind !== 'operator' : identity.kind === kind;
  if (identity.domain === domain && identity.name === name && isMeant) return;
  const who = expected.name === undefined ? `a ${expected.kind ?? 'manager or registry'}` : kindOf(expected);
  throw untrusted(
    `is ${spiffeIdOf(identity)}, and not ${who} of trust domain ${domain}: another machine has that address now, or the name or address is wrong`,
  );
}

function kindOf({ kind, name }: ExpectedPeer): string {
  return `${kind ?? 'manager or registry'} ${name}`;
}

/** Follows the signatures from a certificate to an authority, by way of those that the peer sent along. */
function signedByOneOf(leaf: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  let certificate: X509Certificate | undefined = leaf;
  for (let depth = 0; certificate && depth < 8; depth++) {
    const signed: X509Certificate = certificate;
    if (authorities.some((authority) => signed.checkIssued(authority) && signed.verify(authority.publicKey)))
      return true;
    const issuer: X509Certificate | undefined = signed.issuerCertificate;
    certificate = issuer?.ca && signed.verify(issuer.publicKey) ? issuer : undefined;
  }
  return false;
}

function untrusted(what: string): NsmError {
  return new NsmError('untrusted', what);
}
