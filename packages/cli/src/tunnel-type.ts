// Tunnel types as people write them.
import { TunnelType } from '@nsm/api';
import { InvalidArgumentError } from 'commander';

const types = Object.entries(TunnelType).flatMap(([name, type]): [string, TunnelType][] =>
  typeof type === 'number' && type !== TunnelType.DEFAULT_TUNNEL ? [[name, type]] : [],
);

/** The names of the specification. */
export const tunnelTypeNames: readonly string[] = types.map(([name]) => name);

/** `VXLAN`, `mplsoudp` … */
export function parseTunnelType(text: string): TunnelType {
  const found = types.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (!found) throw new InvalidArgumentError(`Write one of ${tunnelTypeNames.join(', ')}.`);
  return found[1];
}
