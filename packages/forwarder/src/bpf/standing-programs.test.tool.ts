// What programs of ours stand on a device of a test's node.
import { type BpfMap, mapsOfProgram } from '@nsm/netlink';
import type { TestNamespace } from '@nsm/testkit';
import { DeviceHooks } from './device-hooks.js';
import type { Hooks } from './hooks.js';

export function hooked<T>(
  { namespace, route }: TestNamespace,
  name: string,
  use: (hooks: Hooks, device: number) => T,
): T {
  return namespace.run(() => use(new DeviceHooks(route), route.link(name)!.index));
}

/** The maps of the program on a device's ingress, for the caller to close. */
export const mapsOn = (node: TestNamespace, name: string): Map<string, BpfMap> =>
  mapsOfProgram(hooked(node, name, (hooks, device) => hooks.ours(device, 'ingress'))!.id);
