// What makes a gateway's network namespace pass packets on between its clients and its outside device, and the way back. The clients'
// own devices are the manager's, which is asked for them by an interface parameter.
import { readFileSync } from 'node:fs';
import { abbreviatedList, forwarding, NsmError } from '@nsm/api';
import { NetlinkError, RouteMonitor, RouteSocket, readSetting, writeSetting } from '@nsm/netlink';
import type { InterfaceOption } from '@nsm/sdk';

const everywhere = 'net/ipv6/conf/all/forwarding';

/**
 * Lets packets go on that come in by the outside device of the calling thread's network namespace. IPv6 has one setting for all devices,
 * in /proc/sys: where that is read-only, as in most containers, the manager sets it with the first client. Synchronous throughout.
 * @param versions of IP that the gateway's clients have; nothing of another is touched.
 * @returns what restores the former settings.
 * @throws NsmError `invalid` when the outside device does not exist, `privilege` without CAP_NET_ADMIN.
 */
export function enableForwarding(outside: string, versions: ReadonlySet<4 | 6>): () => void {
  const devices = [...readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*(\S+):/gm)].map(
    ([, name = '']) => name,
  );
  if (!devices.includes(outside))
    throw new NsmError(
      'invalid',
      `there is no device "${outside}" in this network namespace; it has ${abbreviatedList(devices)}`,
    );
  const undo: (() => void)[] = [];
  if (versions.has(4)) undo.push(keepPassingIPv4(outside));
  if (versions.has(6)) {
    // A forwarding host stops taking its default route from router advertisements unless accept_ra is 2
    // (Documentation/networking/ip-sysctl.rst).
    const accept = `net/ipv6/conf/${outside}/accept_ra`;
    const settings = [
      ...(readSetting(accept) === '1' ? [[accept, '2'] as const] : []),
      [everywhere, '1'] as const,
    ];
    for (const [name, value] of settings) {
      const before = trySetting(name, value);
      if (before !== undefined) undo.push(() => void trySetting(name, before));
    }
  }
  return () => {
    for (const step of undo.splice(0).reverse()) step();
  };
}

/** The interfaces of a gateway: what its clients send is passed on. */
export function passedOn(one: InterfaceOption): InterfaceOption {
  const given = typeof one === 'string' ? { type: one } : one;
  return { ...given, parameters: { ...given.parameters, [forwarding]: 'on' } };
}

/**
 * Also by a device that comes in the place of the outside device, as the interface of a connection does that heals.
 * @returns what ends it
 */
function keepPassingIPv4(outside: string): () => void {
  const isOff = (): boolean => readSetting(`net/ipv4/conf/${outside}/forwarding`) === '0';
  const wasOff = isOff();
  if (wasOff) passIPv4(outside, true);
  const monitor = RouteMonitor.open({ groups: ['link'] });
  monitor.on('event', () => {
    try {
      if (isOff()) passIPv4(outside, true);
    } catch {
      // The device has gone again; the next event tells of another.
    }
  });
  return () => {
    monitor.close();
    if (wasOff) passIPv4(outside, false);
  };
}

function passIPv4(device: string, ipv4Forwarding: boolean): void {
  using socket = RouteSocket.open();
  try {
    const link = socket.link(device);
    if (link) socket.setLink(link.index, { ipv4Forwarding });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EPERM')) throw NsmError.from(error);
    throw new NsmError(
      'privilege',
      `the gateway needs CAP_NET_ADMIN in its network namespace (${error.message})`,
      error,
    );
  }
}

/** @returns the former value of a setting that was changed. */
function trySetting(name: string, value: string): string | undefined {
  const before = readSetting(name);
  if (before === undefined || before === value) return undefined;
  try {
    writeSetting(name, value);
    return before;
  } catch {
    return undefined;
  }
}
