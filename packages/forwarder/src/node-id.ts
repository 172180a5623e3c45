// Tells one node's network namespace from every other, on this machine and others, until the machine restarts.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { currentNamespace } from '@nsm/netlink';

/**
 * Eight hexadecimal digits. They need no store: a forwarder that restarts in the same place gets the same, and knows
 * its own interfaces by them, even beside a manager of the same name in another namespace of this machine.
 */
export function nodeId(): string {
  using namespace = currentNamespace();
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  return createHash('sha256').update(`${boot}${namespace.inode}`).digest('hex').slice(0, 8);
}
