// What the kernel has other than a cross-connect wants, for those who only look: read, and left as it is.
import { type forwarder as fw, traitsOf } from '@nsm/api';
import { explain } from '../explain.js';
import { Differences } from '../pod/differences.js';
import { connectedMissing, routesAgainst, wrongOf } from '../pod/mend-device.js';
import { OpenPort } from '../port/open-port.js';
import type { Side } from '../port/wiring.js';

/** @returns the differences, in the words of what `Apply` has mended; none of a side without a device. */
export function compareCrossConnect({ id, client, endpoint }: fw.CrossConnect): string[] {
  const sides: readonly (readonly [Side, fw.Port | undefined])[] = [
    ['client', client],
    ['endpoint', endpoint],
  ];
  return sides.flatMap(([side, port]) =>
    port && traitsOf(port.type).hasDevice ? compareSide(id, side, port) : [],
  );
}

function compareSide(id: string, side: Side, port: fw.Port): string[] {
  try {
    using open = new OpenPort(port);
    const link = open.find(id) ?? open.socket.link(port.name);
    const found = new Differences(side, port.name);
    // Another device may have the name.
    if (link?.alias !== id) {
      found.add('interface');
      return found.told();
    }
    if (link.name !== port.name) found.add('name');
    for (const sort of wrongOf(link, port, id)) found.add(sort);
    const held = new Set(open.socket.addresses({ index: link.index }).map(({ address }) => address));
    found.addAll(
      'address',
      port.addresses.filter((address) => !held.has(address)),
    );
    const routes = open.socket.routes({ device: link.index });
    const missing = [...connectedMissing(port, routes), ...routesAgainst(link.index, open, routes).missing];
    found.addAll(
      'route',
      missing.map(({ destination }) => destination),
    );
    return found.told();
  } catch (error) {
    throw explain(error);
  }
}
