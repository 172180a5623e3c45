// A path of another process, which may have another root directory, as a path of this process.
import { readlinkSync } from 'node:fs';
import type { PeerCredentials } from '@nsm/api';

/**
 * By which this process reaches what another one calls `path`; undefined where both have one mount namespace, or the other cannot be
 * seen. Links on the way may lead anywhere: whose socket it is, the connection to it must tell.
 */
export function seenFrom({ pid }: Pick<PeerCredentials, 'pid'>, path: string): string | undefined {
  const theirs = pid === 0 ? undefined : mountNamespaceOf(pid);
  return theirs === undefined || theirs === mountNamespaceOf('self') ? undefined : `/proc/${pid}/root${path}`;
}

function mountNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}
