// Says in the mesh's words what the kernel refused.
import { NsmError } from '@nsm/api';
import { NamespaceError, NetlinkError } from '@nsm/netlink';

export function explain(error: unknown): NsmError {
  if (error instanceof NamespaceError) {
    const kind = { invalid: 'invalid', denied: 'privilege' } as const;
    return new NsmError(
      error.code in kind ? kind[error.code as keyof typeof kind] : 'namespace-unknown',
      error.message,
      error,
    );
  }
  if (error instanceof NetlinkError) {
    const denied = error.code === 'EPERM' || error.code === 'EACCES';
    return denied
      ? new NsmError(
          'privilege',
          `${error.message}; the forwarder needs CAP_NET_ADMIN and CAP_SYS_ADMIN`,
          error,
        )
      : new NsmError('dataplane', error.message, error);
  }
  return NsmError.from(error);
}
