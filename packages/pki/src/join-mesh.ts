// A machine asks another one of the mesh for a certificate: the key is made here, and never leaves.
import { connect } from 'node:tls';
import {
  type Credential,
  checkExpected,
  identityOf,
  NsmError,
  secureContextOf,
  splitHostPort,
} from '@nsm/api';
import { certificatesFromPem, makeRequest, newKey } from './certificate.js';
import { credentialFrom } from './file-credentials.js';
import { type JoinReply, joinProtocol, readLine, writeLine } from './join-messages.js';
import { fingerprintOf, type JoinToken } from './join-tokens.js';
import type { Owner } from './machine-credentials.js';

const answerWithinMs = 5000;

/** By what the two machines know each other: a token at first, then the certificate that there is. */
export type Introduction = JoinToken | Credential;

/**
 * @param address HOST:PORT of a manager or registry that has the authority's key.
 * @throws NsmError `untrusted` when one does not trust the other, `unavailable`.
 */
export async function askForCertificate(
  address: string,
  owner: Owner,
  by: Introduction,
): Promise<Credential> {
  const socket = connect({
    ...splitHostPort(address),
    ALPNProtocols: [joinProtocol],
    minVersion: 'TLSv1.3',
    // `checkMesh` checks, by the token or the certificate that there is.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...('fingerprint' in by ? {} : { secureContext: secureContextOf(by) }),
  });
  const late = setTimeout(
    () => socket.destroy(new Error(`no answer in ${answerWithinMs / 1000} s`)),
    answerWithinMs,
  );
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.on('error', reject);
      socket.once('close', () => reject(new Error('the connection ended')));
    });
    if (socket.alpnProtocol !== joinProtocol) throw givesNone(address);
    if ('fingerprint' in by) checkMesh(socket, by.fingerprint);
    else checkExpected(socket, by, {});
    const key = newKey();
    writeLine(socket, {
      request: makeRequest(key).toString('base64'),
      name: owner.name,
      ...('fingerprint' in by ? { token: { id: by.id, secret: by.secret.toString('base64') } } : {}),
    });
    const reply = (await readLine(socket)) as JoinReply;
    if ('refusal' in reply) throw new NsmError('untrusted', reply.refusal);
    const chain = certificatesFromPem(reply.chain);
    const [own] = chain;
    const authorities = certificatesFromPem(reply.authorities);
    if (
      !own.checkPrivateKey(key) ||
      !authorities.some((one) => own.checkIssued(one) && own.verify(one.publicKey))
    )
      throw new NsmError(
        'untrusted',
        'the certificate is not for the key that was sent, or not of that authority',
      );
    return credentialFrom({ chain, key, authorities }, owner, address);
  } catch (thrown) {
    const { kind, message } =
      thrown instanceof NsmError ? thrown : explained(thrown as NodeJS.ErrnoException, address);
    throw new NsmError(kind, `${address}: ${message}`, thrown);
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** That the other end has a certificate of the authority that the token names. */
function checkMesh(socket: ReturnType<typeof connect>, fingerprint: Buffer): void {
  const certificate = socket.getPeerX509Certificate();
  const authority = certificate?.issuerCertificate;
  const now = Date.now();
  if (
    !certificate ||
    !authority ||
    !fingerprintOf(authority).equals(fingerprint) ||
    !certificate.checkIssued(authority) ||
    !certificate.verify(authority.publicKey) ||
    !identityOf(certificate)
  )
    throw new NsmError(
      'untrusted',
      'is not of the mesh that the token is for: the address is wrong, another machine has it, or the authority is a new one. Nothing was told to it',
    );
  if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
    throw new NsmError(
      'untrusted',
      'has a certificate that does not hold now: compare the clocks of both machines',
    );
}

function explained({ code = '', message }: NodeJS.ErrnoException, address: string): NsmError {
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' || /application.protocol/.test(message))
    return givesNone(address);
  if (code.startsWith('ERR_SSL_')) return new NsmError('untrusted', `speaks no TLS: ${message}`);
  return new NsmError('unavailable', message);
}

function givesNone(address: string): NsmError {
  return new NsmError(
    'untrusted',
    `whoever is at ${address} gives no certificates: ask a machine that has the authority's key, where nsm pki join-token was run`,
  );
}
