// Certificates that a process shows to the TCP ports of a mesh: good ones, and those that are wrong in one respect each.
import { createPrivateKey, createPublicKey, type KeyObject, sign, type X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Authority, keyToPem, makeCertificate, newKey, toPem } from '@nsm/pki';

/** Folder of the authority of all managers on this machine. */
export const pkiDir = '/var/lib/nsm/pki';
const hourMs = 3_600_000;
const owner = { kind: 'manager', name: 'node-b' } as const;
const idOf = (name: string): string => `spiffe://nsm/manager/${name}`;

/** For `tls.connect`. */
export type Shown = Pick<ConnectionOptions, 'key' | 'ALPNProtocols'> & { readonly cert: string };

const shownOf = (key: KeyObject, ...chain: readonly X509Certificate[]): Shown => ({
  key: keyToPem(key),
  cert: toPem(chain),
  ALPNProtocols: ['h2'],
});

/** What a manager of the authority's mesh would show. @param lifeMs how long it holds, from now */
export function shownBy(authority: Authority, name: string = owner.name, lifeMs: number = hourMs): Shown {
  const key = newKey();
  return shownOf(key, authority.issue(createPublicKey(key), { ...owner, name }, lifeMs));
}

interface Names {
  readonly uri: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}
const names = (uri: string = idOf(owner.name), fromMs = -hourMs, untilMs = hourMs): Names => ({
  uri,
  notBefore: new Date(Date.now() + fromMs),
  notAfter: new Date(Date.now() + untilMs),
});

/** Signed by itself, in the authority's name. */
export function selfSigned(): Shown {
  const key = newKey();
  const commonName = 'Network Service Mesh nsm';
  const publicKey = createPublicKey(key);
  return shownOf(key, makeCertificate({ ...names(), publicKey, commonName, signer: { key } }));
}

/** Signed by the mesh's authority, in another form than it gives. @param edit changes what is signed, and not its length */
function misissued(given: Names, edit: (body: Buffer) => void = () => undefined): Shown {
  const key = newKey();
  const authority = Authority.open(pkiDir);
  const signer = {
    key: createPrivateKey(readFileSync(`${pkiDir}/ca.key`)),
    certificate: authority.certificate,
  };
  const certificate = makeCertificate({
    ...given,
    publicKey: createPublicKey(key),
    commonName: owner.name,
    signer,
  });
  // RFC 5280, section 4.1: what is signed, the algorithm, the signature.
  const [body, algorithm] = elementsOf(elementsOf(certificate.raw)[0]!.content);
  edit(body!.whole);
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', body!.whole, signer.key)]);
  const whole = element(0x30, Buffer.concat([body!.whole, algorithm!.whole, element(0x03, signature)]));
  return { ...shownOf(key), cert: pemOf(whole) };
}

export const notYetValid = (): Shown => misissued(names(idOf(owner.name), hourMs, 2 * hourMs));

/** Good for mail alone. */
export const wrongUse = (): Shown =>
  misissued(names(), (body) => {
    for (const last of [1, 2])
      replace(body, Buffer.from([0x2b, 6, 1, 5, 5, 7, 3, last]), Buffer.from([0x2b, 6, 1, 5, 5, 7, 3, 4]));
  });

/** Its only name is that of a host. */
export const withoutUri = (): Shown =>
  misissued(names(), (body) => {
    const uri = Buffer.from(idOf(owner.name));
    const tagged = (tag: number): Buffer => Buffer.concat([Buffer.of(tag, uri.length), uri]);
    replace(body, tagged(0x86), tagged(0x82));
  });

export const twoUris = (): Shown => {
  const [one, other] = [Buffer.from(idOf(owner.name)), Buffer.from(idOf('node-a'))];
  const both = `${one}??${other}`;
  return misissued(names(both), (body) => {
    const wrong = Buffer.concat([Buffer.of(0x86, both.length), Buffer.from(both)]);
    const right = Buffer.concat([Buffer.of(0x86, one.length), one, Buffer.of(0x86, other.length), other]);
    replace(body, wrong, right);
  });
};

/** An id of SPIFFE, and of neither a manager nor a registry. */
export const otherKind = (): Shown => misissued(names('spiffe://nsm/workload/node-b'));

/** In the name of another trust domain, by the authority of this one. */
export const otherDomain = (): Shown => misissued(names('spiffe://other/manager/node-b'));

/** A manager's key signs for another manager: what somebody does who has taken over one node. */
export function signedByManager(): Shown {
  const [own, made] = [newKey(), newKey()];
  const manager = Authority.open(pkiDir).issue(createPublicKey(own), { ...owner, name: 'taken' }, hourMs);
  const signer = { key: own, certificate: manager };
  const publicKey = createPublicKey(made);
  return shownOf(made, makeCertificate({ ...names(), publicKey, commonName: owner.name, signer }), manager);
}

interface Element {
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** X.690: what lies one behind the other. */
function elementsOf(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at + 1] ?? 0;
    const more = first < 0x80 ? 0 : first & 0x7f;
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const content = at + 2 + more;
    found.push({
      whole: bytes.subarray(at, content + length),
      content: bytes.subarray(content, content + length),
    });
    at = content + length;
  }
  return found;
}

function element(tag: number, content: Buffer): Buffer {
  const head = Buffer.from([tag, 0x82, content.length >> 8, content.length & 0xff]);
  const short = content.length < 0x80 ? Buffer.of(tag, content.length) : head;
  return Buffer.concat([short, content]);
}

function replace(bytes: Buffer, former: Buffer, latter: Buffer): void {
  const at = bytes.indexOf(former);
  if (at < 0 || former.length !== latter.length) throw new Error('nothing to replace, or not of one length');
  latter.copy(bytes, at);
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}
