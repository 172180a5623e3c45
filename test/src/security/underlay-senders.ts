// Who else on a node may send to another node: programs of ordinary users, and pods behind the node's address.
import { IpPrefix, libc } from '@nsm/netlink';
import { run, type TestNamespace } from '@nsm/testkit';

// linux/in6.h
const IPPROTO_IPV6 = 41;
const IPV6_FREEBIND = 78;

export interface Datagram {
  readonly to: string;
  readonly port: number;
  readonly payload: Uint8Array;
  /** Default: the kernel's choice. With IPv6 it may be anybody's, without any privilege. */
  readonly source?: string;
}

/** As any program may. @throws Error */
export const sendDatagram = (from: TestNamespace, { to, port, payload, source }: Datagram): void => {
  const family = to.includes(':') ? libc.AF_INET6 : libc.AF_INET;
  const fd = from.namespace.run(() => libc.socket(family, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0));
  const done = (what: string, result: number): void => {
    if (result < 0) throw new Error(`${what}: ${libc.errorText(-result)}`);
  };
  try {
    if (source !== undefined) {
      libc.setSocketOption(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
      const own = socketAddress(source, 0);
      done('bind', libc.bind(fd, own, own.length));
    }
    const address = socketAddress(to, port);
    done('connect', libc.connect(fd, address, address.length));
    // A filter that drops it may say so.
    libc.send(fd, payload, payload.length, 0);
  } finally {
    libc.close(fd);
  }
};

/** struct sockaddr_in, or sockaddr_in6. */
const socketAddress = (text: string, port: number): Buffer => {
  const { version, bytes } = IpPrefix.ofAddress(text);
  const address = Buffer.alloc(version === 4 ? 16 : 28);
  address.writeUInt16LE(version === 4 ? libc.AF_INET : libc.AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address.set(bytes, version === 4 ? 4 : 8);
  return address;
};

/** Joins a pod to a node as container networks do: what it sends to others bears the node's address. */
export const masquerade = async (node: TestNamespace, pod: TestNamespace, version: 4 | 6): Promise<void> => {
  const [own, gateway, length] =
    version === 4 ? ['172.31.9.2', '172.31.9.1', 24] : ['fd31:9::2', 'fd31:9::1', 64];
  await run(undefined, 'ip', [
    ...['link', 'add', 'cni0', 'netns', node.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.name],
  ]);
  const nodad = version === 6 ? ['nodad'] : [];
  await run(node.name, 'ip', ['address', 'add', `${gateway}/${length}`, 'dev', 'cni0', ...nodad]);
  await run(pod.name, 'ip', ['address', 'add', `${own}/${length}`, 'dev', 'eth0', ...nodad]);
  await run(node.name, 'ip', ['link', 'set', 'cni0', 'up']);
  await run(pod.name, 'ip', ['link', 'set', 'eth0', 'up']);
  await run(pod.name, 'ip', ['route', 'add', 'default', 'via', String(gateway)]);
  const forwarding = version === 4 ? 'net.ipv4.ip_forward=1' : 'net.ipv6.conf.all.forwarding=1';
  await run(node.name, 'sysctl', ['-qw', forwarding]);
  const table = `${version === 4 ? 'ip' : 'ip6'} masquerading`;
  const chain = 'type nat hook postrouting priority 100';
  const rules = `add table ${table}; add chain ${table} out { ${chain}; }; add rule ${table} out iifname cni0 masquerade`;
  await run(node.name, 'nft', [rules]);
};
