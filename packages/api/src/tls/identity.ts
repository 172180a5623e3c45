// Who a manager, registry or operator is to others: the URI in the certificate, `spiffe://DOMAIN/manager/NAME` (the SPIFFE standard's
// X.509-SVID).
import type { X509Certificate } from 'node:crypto';

/** Managers and registries are the machines of a mesh; an operator is a person or program that looks at them. */
export type IdentityKind = MachineKind | 'operator';
export type MachineKind = 'manager' | 'registry';

/** What a certificate says of its owner. */
export interface Identity {
  /** The trust domain: whose certificate authority has signed. */
  readonly domain: string;
  readonly kind: IdentityKind;
  /** Of a manager its name in every call. */
  readonly name: string;
}

/** A name that an identity can carry, 1 to 253 characters: as those of endpoints and network services. */
const namePattern = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?';
/** SPIFFE-ID, section 2.1. */
const domainPattern = '[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?';
const wholeName = new RegExp(`^${namePattern}$`);
const wholeDomain = new RegExp(`^${domainPattern}$`);
const idPattern = new RegExp(`^spiffe://(${domainPattern})/(manager|registry|operator)/(${namePattern})$`);

export function isIdentityName(text: string): boolean {
  return wholeName.test(text);
}

export function isTrustDomain(text: string): boolean {
  return wholeDomain.test(text);
}

export function spiffeIdOf({ domain, kind, name }: Identity): string {
  return `spiffe://${domain}/${kind}/${name}`;
}

/** Undefined of an id of any other kind. */
export function parseSpiffeId(id: string): Identity | undefined {
  const [, domain, kind, name] = idPattern.exec(id) ?? [];
  if (domain === undefined || name === undefined) return undefined;
  return { domain, kind: kind as Identity['kind'], name };
}

/** Undefined unless the certificate has exactly one URI (X.509-SVID, section 2), and that is of a known kind. */
export function identityOf({ subjectAltName = '' }: X509Certificate): Identity | undefined {
  const [id, ...more] = urisOf(subjectAltName);
  return id === undefined || more.length > 0 ? undefined : parseSpiffeId(id);
}

/** The URIs among the alternative names. Node.js quotes what could be mistaken for several names: none of that is a name of ours. */
export function urisOf(subjectAltName: string): string[] {
  if (subjectAltName.includes('"')) return [];
  return subjectAltName
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice('URI:'.length));
}
