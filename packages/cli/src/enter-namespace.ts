// Moves the whole command into a network namespace, for good.
import { NsmError } from '@nsm/api';
import { errnoName, libc, NamespaceError, openNamespace } from '@nsm/netlink';

/**
 * Moves the main thread: what the manager learns of a caller by SO_PEERCRED is the namespace of its main thread, and
 * child processes inherit it. To be called before any socket is opened. Asynchronous file calls run in other threads,
 * which stay where they were: read /proc/net and write /proc/sys/net synchronously.
 * @throws NsmError `namespace-unknown`, `invalid` or `privilege`.
 */
export function enterNamespace(reference: string): void {
  try {
    using namespace = openNamespace(reference);
    const result = libc.setns(namespace.fd, libc.CLONE_NEWNET);
    if (result < 0)
      throw new NsmError(
        'privilege',
        `cannot enter network namespace ${reference}: ${errnoName(-result)}; run as root (CAP_SYS_ADMIN)`,
      );
  } catch (thrown) {
    if (!(thrown instanceof NamespaceError)) throw thrown;
    throw new NsmError(kindOf(thrown), thrown.message, thrown);
  }
}

function kindOf({ code }: NamespaceError): NsmError['kind'] {
  switch (code) {
    case 'invalid':
      return 'invalid';
    case 'denied':
      return 'privilege';
    default:
      return 'namespace-unknown';
  }
}
