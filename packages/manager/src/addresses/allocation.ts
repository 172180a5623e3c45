// Which addresses a connection gets: one pair for each version of IP that its network service has prefixes of.
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { Registry } from '@nsm/registry';
import type { AddressPair, AddressPools } from './address-pools.js';

/** By network service; under '' for services without their own. */
export type ConfiguredPrefixes = ReadonlyMap<string, readonly string[]>;

/** Used where nothing is configured: shared address space, RFC 6598, which pods rarely route. */
const defaultPrefixes = ['100.64.0.0/16'];

/** Those in the endpoint's record, else those configured here for its network service, or for all. */
export function prefixesOf(
  { prefixes }: { readonly prefixes: ConfiguredPrefixes },
  endpoint: NetworkServiceEndpoint,
): readonly string[] {
  if (endpoint.prefixes.length > 0) return endpoint.prefixes;
  return prefixes.get(endpoint.networkServiceName) ?? prefixes.get('') ?? defaultPrefixes;
}

/** What another manager gives out addresses of for an endpoint of its own, as far as this one can know. */
export function prefixesThere(
  configured: { readonly prefixes: ConfiguredPrefixes },
  endpoint: NetworkServiceEndpoint,
): readonly string[] {
  return [
    ...new Set([
      ...prefixesOf(configured, endpoint),
      ...(endpoint.prefixes.length > 0 ? [] : defaultPrefixes),
    ]),
  ];
}

interface Giving {
  readonly pools: AddressPools;
}

/**
 * One pair for each version of IP that the prefixes have, from the first prefix of that version that has a pair left.
 * @param reserve counts a pair as its client's until what `reserve` returns is called.
 * @throws NsmError `overload` when the client has too many.
 */
export async function allocate(
  { pools }: Giving,
  prefixes: readonly string[],
  excluded: readonly IpPrefix[],
  reserve: () => () => void,
): Promise<AddressPair[]> {
  const pairs: AddressPair[] = [];
  try {
    for (const version of [4, 6]) {
      const candidates = prefixes.filter((text) => IpPrefix.of(text).version === version);
      if (candidates.length === 0) continue;
      const giveBack = reserve();
      for (const [index, prefix] of candidates.entries()) {
        try {
          pairs.push(await pools.take(prefix, excluded, giveBack));
          break;
        } catch (error) {
          if (index < candidates.length - 1) continue;
          giveBack();
          throw error;
        }
      }
    }
    return pairs;
  } catch (error) {
    for (const { prefix } of pairs) pools.release(prefix);
    throw error;
  }
}

/**
 * What `allocate` would give now, without taking it: undefined where a block of addresses would be claimed first.
 * @throws NsmError `no-address`, and `registry` where a block is needed and the registry is away.
 */
export function nextPairs(
  { pools, registry }: Giving & { readonly registry: Pick<Registry, 'synced' | 'url'> },
  prefixes: readonly string[],
  excluded: readonly IpPrefix[],
): (AddressPair | undefined)[] {
  return [4, 6].flatMap((version) => {
    const candidates = prefixes.filter((text) => IpPrefix.of(text).version === version);
    let failure: NsmError | undefined;
    for (const prefix of candidates) {
      try {
        const pair = pools.next(prefix, excluded);
        if (pair || registry.synced) return [pair];
        const what = `this manager has no free addresses of ${prefix} and cannot claim any: registry ${registry.url} does not answer`;
        failure = new NsmError('registry', what);
      } catch (thrown) {
        failure = NsmError.from(thrown);
      }
    }
    if (failure) throw failure;
    return [];
  });
}

/**
 * Of the prefixes that a pod routes, those that matter to who gives out addresses of `prefixes`, which hardly any of thousands do;
 * of those that lie within others only the others.
 */
export function inTheWayOf(prefixes: readonly string[], routed: readonly string[]): string[] {
  const wanted = prefixes.map(IpPrefix.of);
  const concerned = routed
    .map((text) => ({ text, prefix: IpPrefix.of(text) }))
    .filter(({ prefix }) => wanted.some((other) => other.overlaps(prefix)))
    .toSorted((a, b) => IpPrefix.compare(a.prefix, b.prefix));
  let last: IpPrefix | undefined;
  return concerned.flatMap(({ text, prefix }) => {
    // A default route excludes nothing, and so hides nothing.
    if (last && prefix.length > 1 && last.version === prefix.version && prefix.last <= last.last) return [];
    if (prefix.length > 1) last = prefix;
    return [text];
  });
}

/** Prefixes parsed before: pods of one node have the same routes, and are asked for them again and again. */
const parsed = new Map<string, IpPrefix>();
const maxParsed = 65_536;

/**
 * What addresses must not overlap, of the prefixes in use at a pod. Left out are the pairs that are given out from here,
 * which no other connection gets anyway, link-local prefixes, which every interface has, and default routes, whole or in
 * halves.
 * @param prefixes in canonical text.
 */
export function obstacles({ pools }: Giving, prefixes: readonly string[]): IpPrefix[] {
  return prefixes
    .filter((text) => !pools.has(text) && !text.startsWith('fe80:'))
    .map(parseOnce)
    .filter(({ length }) => length > 1);
}

function parseOnce(text: string): IpPrefix {
  const known = parsed.get(text);
  if (known) return known;
  const prefix = IpPrefix.of(text);
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(text, prefix);
  return prefix;
}

export function releasePairs({ pools }: Giving, pairs: readonly AddressPair[]): void {
  for (const { prefix } of pairs) pools.release(prefix);
}
