// Flags that name kinds of tunnel.
import { TunnelType } from '@nsm/api';
import { InvalidArgumentError } from 'commander';

const types = Object.entries(TunnelType).flatMap(([name, type]): [string, TunnelType][] =>
  typeof type === 'number' && type !== TunnelType.DEFAULT_TUNNEL ? [[name, type]] : [],
);

/** The names of the specification. */
export const tunnelTypeNames: readonly string[] = types.map(([name]) => name);

/** Reads [SERVICE=]KIND. */
export function parseServiceTunnel(text: string): { readonly service?: string; readonly type: TunnelType } {
  const at = text.indexOf('=');
  if (at < 0) return { type: parseTunnelType(text) };
  const service = text.slice(0, at);
  if (service === '') throw new InvalidArgumentError('Write KIND, or SERVICE=KIND as in vpn=GRE.');
  return { service, type: parseTunnelType(text.slice(at + 1)) };
}

/** `VXLAN`, `mplsoudp` … */
function parseTunnelType(text: string): TunnelType {
  const found = types.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (!found) throw new InvalidArgumentError(`Write one of ${tunnelTypeNames.join(', ')}.`);
  return found[1];
}
