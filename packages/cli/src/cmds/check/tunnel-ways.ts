// Whether the network between two nodes lets through what tunnels send, as far as it is known.
import type { StatusView } from '../status/status-view.js';
import { type Outcome, untried, well } from './check.js';

/** By what goes through them: the connections that are up. Where there is none, nothing is known, and that is said. */
export function waysOf(manager: string, { connections }: StatusView): Outcome[] {
  const kinds = new Map<string, number>();
  for (const { peerManager, state, tunnel } of connections)
    if (peerManager === manager && state === 'SYNCED' && tunnel)
      kinds.set(tunnel.type, (kinds.get(tunnel.type) ?? 0) + 1);
  if (kinds.size === 0)
    return [
      untried(
        `tunnels to ${manager}: no connection goes there, and only a connection shows whether packets of its tunnel pass`,
      ),
    ];
  return [...kinds].map(([kind, count]) =>
    well(
      `${kind} passes to ${manager}: packets of ${count} ${count === 1 ? 'connection' : 'connections'} come back`,
    ),
  );
}
