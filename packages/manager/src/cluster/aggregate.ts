// The fewest prefixes that hold the same addresses: a cluster tells one for each of its nodes.
import { IpPrefix } from '@nsm/netlink';

/** @returns them without host bits, IPv4 before IPv6, the lowest first. @throws DecodeError for what is no prefix */
export function aggregate(prefixes: readonly string[]): string[] {
  const sorted = prefixes.map((text) => IpPrefix.of(text).network).toSorted(IpPrefix.compare);
  const whole: IpPrefix[] = [];
  for (const prefix of sorted) {
    if (whole.at(-1)?.contains(prefix)) continue;
    let last = prefix;
    // Two halves of a larger prefix are that prefix, and this one may be a half again.
    for (let other = whole.at(-1); other && areHalves(other, last); other = whole.at(-1)) {
      whole.pop();
      last = new IpPrefix(other.version, other.first, other.length - 1);
    }
    whole.push(last);
  }
  return whole.map(String);
}

function areHalves(lower: IpPrefix, upper: IpPrefix): boolean {
  if (lower.version !== upper.version || lower.length !== upper.length || lower.length === 0) return false;
  const both = new IpPrefix(lower.version, lower.first, lower.length - 1);
  return both.first === lower.first && both.last === upper.last;
}
