// Certificates and requests as OpenSSL reads them, authorities in folders, and tokens.
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { identityOf, spiffe } from '@nsm/api';
import { afterAll, describe, expect, it } from 'vitest';
import { Authority } from './authority.js';
import { certificatesFromDer, keyOfRequest, makeRequest, newKey } from './certificate.js';
import { integer, oid, readDer } from './der.js';
import { JoinTokens, parseToken } from './join-tokens.js';
import { isDue } from './machine-credentials.js';
import { credentialOf } from './spiffe-credentials.js';

const folder = mkdtempSync(join(tmpdir(), 'nsm-pki-'));
afterAll(() => rmSync(folder, { recursive: true }));
const hourMs = 3_600_000;
const owner = { kind: 'manager', name: 'node-a' } as const;

describe('a certificate', () => {
  const authority = Authority.inMemory('prod.example');
  const key = newKey();
  const certificate = authority.issue(createPublicKey(key), owner, hourMs);

  it('is signed by its authority, for its key, its name and its time', () => {
    expect(certificate.verify(authority.certificate.publicKey)).toBe(true);
    expect(certificate.checkIssued(authority.certificate)).toBe(true);
    expect(certificate.checkPrivateKey(key)).toBe(true);
    expect(identityOf(certificate)).toEqual({ domain: 'prod.example', ...owner });
    expect(certificate.ca).toBe(false);
    expect(authority.certificate.ca).toBe(true);
    expect(Date.parse(certificate.validTo) - Date.now()).toBeGreaterThan(hourMs - 5000);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now() - hourMs / 3);
  });

  it('is due when two thirds of its life are over', () => {
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    expect(isDue(certificate, from + (to - from) * 0.66)).toBe(false);
    expect(isDue(certificate, from + (to - from) * 0.67)).toBe(true);
  });

  it('is found among others in DER', () => {
    const both = Buffer.concat([certificate.raw, authority.certificate.raw]);
    expect(certificatesFromDer(both).map(({ fingerprint256 }) => fingerprint256)).toEqual([
      certificate.fingerprint256,
      authority.certificate.fingerprint256,
    ]);
    expect(() => certificatesFromDer(both.subarray(0, -1))).toThrow();
  });
});

describe('DER', () => {
  it('has the bytes of X.690', () => {
    expect(oid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
    expect(integer(Buffer.from([0x80])).toString('hex')).toBe('02020080');
  });

  it.each(['30', '3005', '3080', '30850000000001', '30ff', '308400000100'])('is not %s', (hex) => {
    expect(() => readDer(Buffer.from(hex, 'hex'))).toThrow(RangeError);
  });
});

describe('a request for a certificate', () => {
  const key = newKey();
  const request = makeRequest(key);

  it('gives the key that signed it', () => {
    expect(keyOfRequest(request).equals(createPublicKey(key))).toBe(true);
  });

  it('is refused in every other form', () => {
    const flipped = Buffer.from(request);
    flipped[flipped.length - 1]! ^= 1;
    const bad = [flipped, request.subarray(1), Buffer.alloc(0), Buffer.from('rubbish')];
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    for (const bytes of [...bad, makeRequest(privateKey)])
      expect(() => keyOfRequest(bytes)).toThrow(/request/);
  });
});

describe('an authority in a folder', () => {
  const at = (name: string): string => join(folder, name);

  it('is made once, closed to others', () => {
    const made = Authority.open(at('once'), 'prod.example');
    const again = Authority.open(at('once'), 'other');
    expect(again.certificate.fingerprint256).toBe(made.certificate.fingerprint256);
    expect(again.domain).toBe('prod.example');
    expect(readdirSync(at('once')).toSorted()).toEqual(['ca.crt', 'ca.key']);
    expect(statSync(at('once')).mode & 0o777).toBe(0o700);
    expect(statSync(join(at('once'), 'ca.key')).mode & 0o777).toBe(0o600);
  });

  it('is made whole by the next after one that died in between', () => {
    const made = Authority.open(at('half'));
    rmSync(join(at('half'), 'ca.crt'));
    const again = Authority.open(at('half'));
    expect(again.certificate.publicKey.equals(made.certificate.publicKey)).toBe(true);
  });

  it('is not used where others can read its key or write to its folder', () => {
    Authority.open(at('open'));
    chmodSync(join(at('open'), 'ca.key'), 0o640);
    expect(() => Authority.open(at('open'))).toThrow(/others may read/);
    chmodSync(join(at('open'), 'ca.key'), 0o600);
    chmodSync(at('open'), 0o770);
    expect(() => Authority.open(at('open'))).toThrow(/others may write/);
  });

  it('is not used with the key of another', () => {
    Authority.open(at('one'));
    Authority.open(at('other'));
    writeFileSync(join(at('one'), 'ca.crt'), readFileSync(join(at('other'), 'ca.crt')));
    expect(() => Authority.open(at('one'))).toThrow(/is not that of/);
  });
});

describe('a token', () => {
  const authority = Authority.open(join(folder, 'tokens'));
  const tokens = new JoinTokens(join(folder, 'tokens'));

  it('has the fingerprint of the authority', () => {
    const { fingerprint } = parseToken(tokens.create(authority, hourMs));
    expect(fingerprint.toString('hex').toUpperCase()).toBe(
      authority.certificate.fingerprint256.replaceAll(':', ''),
    );
  });

  it('is used once; its secret is in no file', () => {
    const { id, secret } = parseToken(tokens.create(authority, hourMs, 'node-b'));
    const kept = join(folder, 'tokens', 'tokens');
    const texts = readdirSync(kept).map((file) => readFileSync(join(kept, file), 'utf8'));
    expect(texts.some((text) => text.includes(secret.toString('base64')))).toBe(false);
    expect(() => tokens.redeem(id, secret, 'node-c')).toThrow(/for node-b/);
    tokens.redeem(id, secret, 'node-b');
    expect(() => tokens.redeem(id, secret, 'node-b')).toThrow(/used already/);
  });

  it.each(['', 'nsm1-', 'nsm1-abc', '../../etc/passwd'])('is not %s', (text) => {
    expect(() => parseToken(text)).toThrow(/not a token/);
    expect(() => tokens.redeem(text, Buffer.alloc(24), 'a')).toThrow(/not known/);
  });
});

// SPIRE is not there to try: the response is made as the standard has it.
describe('a response of the SPIFFE Workload API', () => {
  const [own, other] = [Authority.inMemory('prod.example'), Authority.inMemory('other.example')];
  const svid = (name: string, key = newKey(), shown = key): spiffe.X509SVID =>
    create(spiffe.X509SVIDSchema, {
      spiffeId: `spiffe://prod.example/manager/${name}`,
      x509Svid: own.issue(createPublicKey(key), { kind: 'manager', name }, hourMs).raw,
      x509SvidKey: shown.export({ type: 'pkcs8', format: 'der' }),
      bundle: own.certificate.raw,
    });
  const response = (...svids: spiffe.X509SVID[]): spiffe.X509SVIDResponse =>
    create(spiffe.X509SVIDResponseSchema, {
      svids,
      federatedBundles: { 'spiffe://other.example': other.certificate.raw },
    });

  it('gives the identity of the owner among others, and the authorities of each domain', () => {
    const credential = credentialOf(response(svid('node-x'), svid('node-a')), owner);
    expect(credential.identity).toEqual({ domain: 'prod.example', ...owner });
    expect(identityOf(new X509Certificate(credential.chain))).toEqual(credential.identity);
    expect([...credential.authorities.keys()]).toEqual(['prod.example', 'other.example']);
  });

  it('is refused without it, or with a key that is not its own', () => {
    expect(() => credentialOf(response(svid('node-x')), owner)).toThrow(/it gives .*node-x/);
    expect(() => credentialOf(response(), owner)).toThrow(/no identity/);
    expect(() => credentialOf(response(svid('node-a', newKey(), newKey())), owner)).toThrow(/name and key/);
  });
});
