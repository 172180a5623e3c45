// How the network namespaces of two test nodes are joined: by one link, or through a router.
import { writeFileSync } from 'node:fs';
import type { TestNamespace } from '@nsm/testkit';

/** How the namespaces of two nodes are joined. */
export interface TestUnderlay {
  /** Those of node-a and node-b. */
  readonly addresses: readonly [string, string];
  /** Names of further namespaces that it needs. */
  readonly others: readonly string[];
  join(namespace: (name: string) => TestNamespace): void;
}

/** One link between both nodes. @param mtu bytes. */
export function linked(mtu: number = 1500): TestUnderlay {
  return {
    addresses: ['10.9.0.1', '10.9.0.2'],
    others: [],
    join(namespace) {
      joinByLink([namespace('node-a'), '10.9.0.1/24'], [namespace('node-b'), '10.9.0.2/24'], mtu);
    },
  };
}

/** Each node reaches the other by its default route, through `router`. */
export function routed(version: 4 | 6): TestUnderlay {
  const [net, length] = version === 4 ? ['10.9.', 24] : ['fd00:9:', 64];
  const at = (node: number, host: number): string => `${net}${node}${version === 4 ? '.' : '::'}${host}`;
  return {
    addresses: [at(1, 1), at(2, 1)],
    others: ['router'],
    join(namespace) {
      const router = namespace('router');
      for (const [index, name] of ['node-a', 'node-b'].entries()) {
        const node = namespace(name);
        const own = index + 1;
        joinByLink(
          [node, `${at(own, 1)}/${length}`],
          [router, `${at(own, 254)}/${length}`],
          1500,
          `to-${name}`,
        );
        node.route.addRoute({ destination: 'default', gateway: at(own, 254) });
      }
      router.namespace.run(() => {
        const forwarding = version === 4 ? 'ipv4/ip_forward' : 'ipv6/conf/all/forwarding';
        writeFileSync(`/proc/sys/net/${forwarding}`, '1');
      });
    },
  };
}

type End = readonly [TestNamespace, address: string];

export function joinByLink(
  [one, address]: End,
  [other, otherAddress]: End,
  mtu: number,
  otherName = 'under',
): void {
  one.route.addLink({
    kind: 'veth',
    name: 'under',
    mtu,
    up: true,
    peer: { name: otherName, namespace: other.namespace, mtu, up: true },
  });
  one.route.addAddress(one.route.link('under')!.index, { address, nodad: true });
  other.route.addAddress(other.route.link(otherName)!.index, { address: otherAddress, nodad: true });
}
