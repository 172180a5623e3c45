// What a device of the node is like before it is given away, and making it so again.
import type { AddressSpec, Link, RouteSocket, RouteSpec } from '@nsm/netlink';
import { readDisableIPv6, writeDisableIPv6 } from '../port/ipv6.js';

/** Plain data, kept in a file while the device is away. */
export interface DeviceState {
  readonly name: string;
  /** `veth`, `macvlan` …; absent for hardware. */
  readonly kind?: string;
  readonly mac: string;
  readonly permanentMac?: string;
  /** Bytes. */
  readonly mtu: number;
  readonly alias: string;
  readonly up: boolean;
  /** Its net.ipv6.conf.DEVICE.disable_ipv6, which a device loses when it moves; absent where there is no IPv6. */
  readonly disableIPv6?: '0' | '1';
  readonly addresses: readonly AddressSpec[];
  /** Without the device, whose index may be another when it comes back. */
  readonly routes: readonly RouteSpec[];
  /** Milliseconds since the Unix epoch at which all this was so. */
  readonly at: number;
}

/** IFA_F_ flags that are somebody's choice (linux/if_addr.h): home address, temporary ones derived, no route, multicast. */
const chosenFlags = 0x10 | 0x100 | 0x200 | 0x400;
const IFA_F_TEMPORARY = 0x01;

export function stateOf(link: Link, socket: RouteSocket, now: number): DeviceState {
  const { index, name, kind, mac = '', permanentMac, mtu, alias = '', up } = link;
  const addresses = socket
    .addresses({ index })
    // Privacy addresses (RFC 8981) are made anew by the kernel.
    .filter(({ family, flags }) => family === 'ipv4' || (flags & IFA_F_TEMPORARY) === 0)
    .map(
      ({ address, peer, broadcast, scope, label, flags, family, protocol, ...lifetimes }): AddressSpec => ({
        address,
        ...(peer ? { peer: `${peer}/${address.split('/')[1]}` } : {}),
        ...(broadcast ? { broadcast } : {}),
        ...(label ? { label } : {}),
        scope,
        ...(protocol > 0 ? { protocol } : {}),
        flags: flags & chosenFlags,
        // Another holder of the address has been looked for already.
        nodad: family === 'ipv6',
        validLifetime: lifetimes.validLifetime,
        preferredLifetime: lifetimes.preferredLifetime,
      }),
    );
  const routes = socket
    .routes({ device: index, table: 'all' })
    // Those that follow from addresses or from router advertisements come back by themselves.
    .filter(({ protocol, multipath }) => protocol !== 'kernel' && protocol !== 'ra' && multipath.length === 0)
    .map(({ device: _device, flags: _flags, multipath: _multipath, ...route }): RouteSpec => route)
    // A gateway can be named only once the route to it is there.
    .toSorted((a, b) => Number(a.gateway !== undefined) - Number(b.gateway !== undefined));
  using namespace = socket.openNamespace();
  const disableIPv6 = namespace.run(() => readDisableIPv6(name));
  return {
    name,
    ...(kind ? { kind } : {}),
    mac,
    ...(permanentMac ? { permanentMac } : {}),
    mtu,
    alias,
    up,
    ...(disableIPv6 ? { disableIPv6 } : {}),
    addresses,
    routes,
    at: now,
  };
}

/**
 * Brings a device in the node's namespace back to what it was; where it is so already, nothing changes.
 * @returns what could not be had again, for people.
 */
export function restoreState(link: Link, state: DeviceState, socket: RouteSocket, now: number): string[] {
  const { index } = link;
  const failures: string[] = [];
  const attempt = (what: string, work: () => void): void => {
    try {
      work();
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (link.mtu !== state.mtu) attempt(`MTU ${state.mtu}`, () => socket.setLink(index, { mtu: state.mtu }));
  if (state.mac !== '' && link.mac !== state.mac)
    attempt(`hardware address ${state.mac}`, () => socket.setLink(index, { mac: state.mac }));
  if ((link.alias ?? '') !== state.alias)
    attempt('alias', () => socket.setLink(index, { alias: state.alias }));
  const { disableIPv6 } = state;
  if (disableIPv6)
    attempt(`disable_ipv6 = ${disableIPv6}`, () => {
      using namespace = socket.openNamespace();
      namespace.run(() => {
        if (readDisableIPv6(link.name) !== disableIPv6) writeDisableIPv6(link.name, disableIPv6);
      });
    });
  const elapsed = Math.floor((now - state.at) / 1000);
  for (const address of state.addresses) {
    const left = (seconds: number | undefined): number | undefined =>
      seconds === undefined ? undefined : Math.max(0, seconds - elapsed);
    const validLifetime = left(address.validLifetime);
    if (validLifetime === 0) continue;
    const renewed = { ...address, validLifetime, preferredLifetime: left(address.preferredLifetime) };
    attempt(`address ${address.address}`, () => socket.addAddress(index, renewed, { replace: true }));
  }
  if (link.up !== state.up) attempt(state.up ? 'up' : 'down', () => socket.setLink(index, { up: state.up }));
  for (const route of state.routes)
    attempt(`route ${route.destination}`, () => socket.addRoute({ ...route, device: index }, 'replace'));
  return failures;
}
