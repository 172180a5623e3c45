// The network namespace this process is in, as linux_namespace carries it.
import { readlinkSync } from 'node:fs';
import { NsmError } from '@nsm/api';

/** Inode of the main thread's network namespace: the one SO_PEERCRED leads the manager to. */
export function ownNamespace(): string {
  const target = readlinkSync('/proc/self/ns/net');
  const inode = /^net:\[(\d+)\]$/.exec(target)?.[1];
  if (!inode)
    throw new NsmError('namespace-unknown', `/proc/self/ns/net is ${target}, not a network namespace`);
  return inode;
}
