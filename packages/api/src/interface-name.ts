// What an interface of a pod can be called: one rule for clients, endpoints and other managers.

/** IFNAMSIZ less the final zero, linux/if.h. */
const maxLength = 15;

/**
 * Names that are not for the mesh to take: the loopback device, the interface of a pod's container network, and the devices that the kernel
 * makes in each network namespace when a module for tunnels is loaded, which fails where one of their names is taken.
 */
export const reservedInterfaceNames: readonly string[] = [
  ...['lo', 'eth0'],
  ...['tunl0', 'ip6tnl0', 'sit0', 'gre0', 'gretap0', 'ip6gre0', 'ip6gretap0', 'erspan0', 'ip6erspan0'],
  ...['ip_vti0', 'ip6_vti0'],
];

/** What `isLinkName` asks for, in words. */
export const linkNameRule: string = `1 to ${maxLength} bytes without white space, "/", ":" or "%", and not ".", "..", "all" or "default"`;

/** What Linux takes. dev_valid_name, net/core/dev.c; `all` and `default` are settings for all links, net/ipv4/devinet.c. */
export function isLinkName(name: string): boolean {
  return (
    name !== '' &&
    Buffer.byteLength(name) <= maxLength &&
    !/[\s/:%]/.test(name) &&
    !['.', '..', 'all', 'default'].includes(name)
  );
}

/**
 * Why a text is neither a name for an interface nor a pattern of names, in words that follow it; '' where it is. In the place of a
 * pattern comes the lowest number, for `%d`, that makes a free name.
 */
export function whyNoInterfaceName(pattern: string): string {
  if (!isLinkName(pattern.replace('%d', '9')))
    return `cannot name an interface: ${linkNameRule}, save one "%d" for a number`;
  if (!reservedInterfaceNames.includes(pattern)) return '';
  return 'cannot name an interface: it is the name of one that a pod has, or that the kernel makes by itself; choose another, such as "nsm%d"';
}
