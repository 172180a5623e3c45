// The sysctls that make a network namespace forward packets, and the way back.
import { readFileSync, writeFileSync } from 'node:fs';
import { abbreviatedList, NsmError } from '@nsm/api';

/**
 * Makes the calling thread's network namespace forward IPv4, and IPv6 where the kernel has it. Returns what restores
 * the former settings. Synchronous throughout: /proc/sys/net shows the namespace of the thread that opens it, and the
 * threads of asynchronous file calls may be in another one.
 * @throws NsmError `invalid` when the outside device does not exist, `privilege` when sysctls cannot be written.
 */
export function enableForwarding(outside: string): () => void {
  const devices = [...readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*(\S+):/gm)].map(
    ([, name = '']) => name,
  );
  if (!devices.includes(outside))
    throw new NsmError(
      'invalid',
      `there is no device "${outside}" in this network namespace; it has ${abbreviatedList(devices)}`,
    );
  const undo: (() => void)[] = [];
  const restore = (): void => {
    for (const step of undo.splice(0).reverse()) step();
  };
  const set = (name: string, value: string): void => {
    const before = setSysctl(name, value);
    if (before !== undefined && before !== value) undo.push(() => setSysctl(name, before));
  };
  try {
    set('net/ipv4/ip_forward', '1');
    // A forwarding host stops taking its default route from router advertisements unless accept_ra is 2
    // (Documentation/networking/ip-sysctl.rst).
    if (readSysctl(`net/ipv6/conf/${outside}/accept_ra`) === '1')
      set(`net/ipv6/conf/${outside}/accept_ra`, '2');
    set('net/ipv6/conf/all/forwarding', '1');
  } catch (thrown) {
    restore();
    throw thrown;
  }
  return restore;
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Returns the former value; undefined when the kernel does not know the setting. */
function setSysctl(name: string, value: string): string | undefined {
  const before = readSysctl(name);
  if (before === undefined || before === value) return before;
  try {
    writeFileSync(`/proc/sys/${name}`, value);
  } catch (thrown) {
    throw new NsmError(
      'privilege',
      `cannot set ${name.replaceAll('/', '.')}=${value}: run as root with CAP_NET_ADMIN and a writable /proc/sys, ` +
        'or set it beforehand (in a pod: securityContext.sysctls)',
      thrown,
    );
  }
  return before;
}
