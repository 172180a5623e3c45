// Software devices in the place of hardware: veth pairs for network adapters, a bridge for the switch, a folder for sysfs.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeNamespace, type TestNamespace } from '@nsm/testkit';
import type { MeshNode } from './mesh-node.js';

const bridge = 'switch';

/** A switch in a namespace of its own: a physical network. */
export const makeSwitch = (label: string): TestNamespace => {
  const network = makeNamespace(label);
  network.route.addLink({ kind: 'bridge', name: bridge, up: true });
  return network;
};

/** Plugs a device of a node into a switch. */
export const plug = (node: MeshNode, name: string, network: TestNamespace): void => {
  node.namespace.route.addLink({
    kind: 'veth',
    name,
    peer: { name: `${node.name}-${name}`, namespace: network.namespace, up: true },
  });
  const master = network.route.link(bridge)?.index ?? 0;
  network.route.setLink(`${node.name}-${name}`, { master });
};

/** A folder that looks like sysfs with an adapter `pf0` whose virtual functions are these devices. */
export const makeSysfs = (dir: string, functions: readonly string[]): string => {
  const sysfs = join(dir, 'sys');
  const adapter = join(sysfs, 'class', 'net', 'pf0', 'device');
  mkdirSync(adapter, { recursive: true });
  writeFileSync(join(adapter, 'sriov_totalvfs'), '8\n');
  symlinkSync('/drivers/ixgbe', join(adapter, 'driver'));
  functions.forEach((device, index) => {
    mkdirSync(join(adapter, `virtfn${index}`, 'net', device), { recursive: true });
    symlinkSync('/drivers/ixgbevf', join(adapter, `virtfn${index}`, 'driver'));
  });
  return sysfs;
};
