// Who calls, as the audit log names callers: pods by what the kernel and the cluster say of them, machines by their certificates.
import type { CallContext } from '@nsm/api';
import { machineFields, subjectFields, type Who } from '../audit/audit.js';
import type { Subjects } from '../policy/subjects.js';

export interface CallerComponents {
  readonly subjects: Pick<Subjects, 'of'>;
}

export function whoCalls(
  { subjects }: CallerComponents,
  { peer, ...machine }: Pick<CallContext, 'peer' | 'identity' | 'remoteAddress'>,
): Who {
  if (!peer) return machineFields(machine);
  return subjectFields(subjects.of(peer, peer.namespace ?? { inode: 0, cookie: 0n }));
}
