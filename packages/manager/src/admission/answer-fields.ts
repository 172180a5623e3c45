// Single fields of an answer, read into values; what cannot be is refused with the field, the value and the reason.
import { NsmError } from '@nsm/api';
import { IpPrefix, whyNoHostAddress } from '@nsm/netlink';
import { agreedMtu, leastMtuGiven, type Mtu } from '../choice/mtu.js';
import { quote } from '../untrusted-text.js';
import { admitLength, maxAddresses } from './admission.js';

/** @throws NsmError `invalid` for one that no host can have, or one that is there with two lengths. */
export function uniqueAddresses(field: string, texts: readonly string[]): IpPrefix[] {
  admitLength(field, texts, maxAddresses);
  const unique = new Map<string, IpPrefix>();
  for (const text of texts) {
    const address = IpPrefix.parse(text);
    if (!address) throw new NsmError('invalid', `${field} ${quote(text)} is no address such as 10.60.1.1/31`);
    const why = whyNoHostAddress(address);
    if (why !== '') throw wrong(field, address, why);
    const before = unique.get(address.address);
    if (before && before.length !== address.length)
      throw wrong(field, address, `is there with length ${before.length} too; give one length`);
    unique.set(address.address, address);
  }
  return [...unique.values()];
}

/** As `uniqueAddresses`, of addresses without length. */
export function uniqueHosts(field: string, texts: readonly string[]): IpPrefix[] {
  admitLength(field, texts, maxAddresses);
  const unique = new Map<string, IpPrefix>();
  for (const text of texts) {
    const host = IpPrefix.parseAddress(text);
    if (!host) throw new NsmError('invalid', `${field} ${quote(text)} is no address without length`);
    const why = whyNoHostAddress(host);
    if (why !== '') throw wrong(field, host, why);
    unique.set(host.address, host);
  }
  return [...unique.values()];
}

/** One label of a domain name, RFC 1035, with the underscores that are in use. */
const domainLabel = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** @throws NsmError `invalid` for what is no domain name: who writes resolv.conf from them must not write anything else. */
export function admitDomains(field: string, domains: readonly string[]): void {
  admitLength(field, domains, maxAddresses);
  for (const one of domains)
    if (
      one.length > 254 ||
      !one
        .replace(/\.$/, '')
        .split('.')
        .every((label) => domainLabel.test(label))
    )
      throw new NsmError('invalid', `${field} ${quote(one)} is no domain name`);
}

/** What is agreed on of what fits through and the smallest that is wished for; 0 wishes nothing. @throws NsmError `invalid` */
export function agreedMtuOf(
  wishes: Readonly<Record<string, number>>,
  fits: Mtu,
  addresses: readonly IpPrefix[],
): number {
  const least = leastMtuGiven(addresses.map(String));
  for (const [field, wish] of Object.entries(wishes))
    if (wish !== 0 && wish < Math.min(least.bytes, fits.most))
      throw new NsmError(
        'invalid',
        `${field} ${wish} is below the ${least.bytes} bytes that IPv${least.version} needs`,
      );
  const named = Object.values(wishes).filter((wish) => wish !== 0);
  return agreedMtu(fits, named.length > 0 ? Math.min(...named) : 0);
}

export function wrong(field: string, value: IpPrefix | undefined, why: string): NsmError {
  return new NsmError('invalid', `${field} ${quote(String(value))} ${why}`);
}
