// How virtual functions are set through their physical function: before they are lent, and as they were.
import { NsmError } from '@nsm/api';
import { NetlinkError, type RouteSocket, type VfChanges } from '@nsm/netlink';
import type { VirtualFunctionOf } from './device-source.js';
import type { Loan } from './loan-book.js';

/** What a loan remembers of a virtual function: all that its settings and a hardware address will change. */
export function functionBefore(
  node: RouteSocket,
  vf: VirtualFunctionOf,
  mac: string | undefined,
): Required<Pick<Loan, 'function'>> {
  const { physical, index, settings } = vf;
  const changed = { ...settings, mac };
  const present = node.virtualFunctions(physical).find((one) => one.index === index);
  const former = Object.entries(changed).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, present?.[key as keyof typeof present]]],
  );
  const before: VfChanges = { ...Object.fromEntries(former), index };
  return { function: { physical, before } };
}

/** @throws NsmError `dataplane` in the words of the adapter. */
export function setFunction(node: RouteSocket, physical: string, changes: VfChanges): void {
  const settings = Object.entries(changes).flatMap(([key, value]) =>
    key === 'index' || value === undefined ? [] : [key],
  );
  if (settings.length === 0) return;
  try {
    node.setLink(physical, { virtualFunctions: [changes] });
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    throw new NsmError(
      'dataplane',
      `adapter ${physical} does not take ${settings.join(', ')} for virtual function ${changes.index} (${error.message})`,
      error,
    );
  }
}
