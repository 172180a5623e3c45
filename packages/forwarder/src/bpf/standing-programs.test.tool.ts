// What programs of ours stand on a device of a test's node, by whichever hooks its kernel has.
import { type BpfMap, hasTcx, mapsOfProgram } from '@nsm/netlink';
import type { TestNamespace } from '@nsm/testkit';
import { FilterHooks } from './filter-hooks.js';
import type { Hooks } from './hooks.js';
import { TcxHooks } from './tcx-hooks.js';

export function hooked<T>(
  { namespace, route }: TestNamespace,
  name: string,
  use: (hooks: Hooks, device: number) => T,
): T {
  return namespace.run(() =>
    use(hasTcx() ? new TcxHooks() : new FilterHooks(route), route.link(name)!.index),
  );
}

/** The maps of the program on a device's ingress, for the caller to close. */
export const mapsOn = (node: TestNamespace, name: string): Map<string, BpfMap> =>
  mapsOfProgram(hooked(node, name, (hooks, device) => hooks.ours(device, 'ingress'))!.id);
