// Certificates, and requests for them, on elliptic-curve keys (P-256): RFC 5280, RFC 2986, and the profile of SPIFFE's X.509-SVID.
// Own code, because a library for it takes 17 MiB and 0.1 s of each daemon (@peculiar/x509, measured), for one shape of certificate.
// Nothing here checks a certificate: OpenSSL does.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { NsmError } from '@nsm/api';
import { bitString, der, generalizedTime, integer, oid, readDer, sequence, tag } from './der.js';

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const yes = der(tag.boolean, Buffer.from([0xff]));
/** RFC 5280, section 4.2.1.3: bits from the left. */
const keyUsage = { digitalSignature: 0x80, certAndCrlSign: 0x06 };

/** A new key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

export function keyToPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** @throws Error of what is no key. */
export function keyFromPem(pem: string | Buffer): KeyObject {
  return createPrivateKey(pem);
}

export interface CertificateOptions {
  /** Whose certificate it is. */
  readonly publicKey: KeyObject;
  /** `spiffe://…`, of a machine of the mesh. */
  readonly uri?: string;
  /** Names by which callers find a server. Default: none. */
  readonly dns?: readonly string[];
  /** Shown to people; nothing is decided by it. */
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Who signs. */
  readonly signer: { readonly key: KeyObject; readonly certificate?: X509Certificate };
}

/** A certificate for a machine or a server; without a certificate of the signer one that signs itself: an authority's. */
export function makeCertificate(options: CertificateOptions): X509Certificate {
  const { publicKey, uri, dns = [], notBefore, notAfter, signer } = options;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const subject = nameOf(options.commonName);
  const own = keyIdOf(spki);
  const issuer = signer.certificate && fieldsOf(signer.certificate);
  const authority = issuer === undefined;
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 1;
  // RFC 5280, section 4.2.1.6: dNSName, uniformResourceIdentifier.
  const names = [
    ...dns.map((name) => der(tag.implicit(2), Buffer.from(name, 'ascii'))),
    ...(uri === undefined ? [] : [der(tag.implicit(6), Buffer.from(uri, 'ascii'))]),
  ];
  const extensions = sequence(
    extension('2.5.29.19', true, authority ? sequence(yes) : sequence()),
    extension('2.5.29.15', true, usageBits(authority ? keyUsage.certAndCrlSign : keyUsage.digitalSignature)),
    ...(authority
      ? []
      : [extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2')))]),
    extension('2.5.29.14', false, der(tag.octetString, own)),
    extension('2.5.29.35', false, sequence(der(tag.implicit(0), issuer ? keyIdOf(issuer.spki) : own))),
    ...(names.length > 0 ? [extension('2.5.29.17', false, sequence(...names))] : []),
  );
  const body = sequence(
    der(tag.explicit(0), integer(Buffer.from([2]))),
    integer(serial),
    ecdsaWithSha256,
    issuer?.subject ?? subject,
    sequence(generalizedTime(notBefore), generalizedTime(notAfter)),
    subject,
    spki,
    der(tag.explicit(3), extensions),
  );
  return new X509Certificate(signed(body, signer.key));
}

/** A request for a certificate (PKCS #10) that shows that the sender has the key. DER. */
export function makeRequest(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const body = sequence(integer(Buffer.from([0])), nameOf(''), spki, der(tag.explicit(0)));
  return signed(body, key);
}

/** The key that a request is for. @throws NsmError `invalid` of a request that its key has not signed, or of another kind of key. */
export function keyOfRequest(request: Uint8Array): KeyObject {
  try {
    const [outer] = readDer(request, 1);
    const [body, , signature] = readDer(outer?.content ?? Buffer.alloc(0), 3);
    const spki = readDer(body?.content ?? Buffer.alloc(0), 8)[2];
    const key = createPublicKey({ key: spki?.whole ?? Buffer.alloc(0), type: 'spki', format: 'der' });
    const { namedCurve } = key.asymmetricKeyDetails ?? {};
    const bits = signature?.content.subarray(1) ?? Buffer.alloc(0);
    if (namedCurve === 'prime256v1' && verify('sha256', body?.whole ?? Buffer.alloc(0), key, bits))
      return key;
  } catch (error) {
    throw new NsmError('invalid', 'not a request for a certificate', error);
  }
  throw new NsmError('invalid', 'a request for a certificate that is not signed by its own P-256 key');
}

/** Certificates that lie one behind the other in DER. @throws Error of anything else. */
export function certificatesFromDer(bytes: Uint8Array): X509Certificate[] {
  return readDer(bytes).map(({ whole }) => new X509Certificate(whole));
}

/** Certificates of which there is at least one. */
export type Certificates = readonly [X509Certificate, ...X509Certificate[]];

/** All certificates of a PEM file. @throws Error where there is none, or a broken one. */
export function certificatesFromPem(pem: string): Certificates {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const [first, ...others] = blocks.map((block) => new X509Certificate(block));
  if (!first) throw new Error('no certificate in PEM');
  return [first, ...others];
}

export function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('');
}

function signed(body: Buffer, key: KeyObject): Buffer {
  return sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, key)));
}

function nameOf(commonName: string): Buffer {
  if (commonName === '') return sequence();
  // RFC 5280, appendix A: at most 64 characters.
  const text = der(tag.utf8String, Buffer.from(commonName.slice(0, 64)));
  return sequence(der(tag.set, sequence(oid('2.5.4.3'), text)));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [yes] : []), der(tag.octetString, value));
}

function usageBits(bits: number): Buffer {
  const unused = 31 - Math.clz32(bits & -bits);
  return der(tag.bitString, Buffer.from([unused, bits]));
}

/** RFC 5280, section 4.2.1.2: of the key's bits alone. */
function keyIdOf(spki: Uint8Array): Buffer {
  const [outer] = readDer(spki, 1);
  const bits = readDer(outer?.content ?? Buffer.alloc(0), 2)[1]?.content.subarray(1) ?? Buffer.alloc(0);
  return createHash('sha1').update(bits).digest();
}

/** What a certificate that is signed takes from that of its signer. */
function fieldsOf({ raw, publicKey }: X509Certificate): { readonly subject: Buffer; readonly spki: Buffer } {
  const [outer] = readDer(raw, 1);
  const [body] = readDer(outer?.content ?? Buffer.alloc(0), 3);
  const fields = readDer(body?.content ?? Buffer.alloc(0), 16);
  // Version, serial number, algorithm, issuer, validity, subject; a certificate of version 1 has no version.
  const subject = fields[fields[0]?.tag === tag.explicit(0) ? 5 : 4]?.whole ?? sequence();
  return { subject, spki: publicKey.export({ type: 'spki', format: 'der' }) };
}
