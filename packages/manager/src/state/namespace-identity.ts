// What a network namespace is known by, for as long as the machine runs.
import type { NamespaceIdentity } from '@nsm/api';

/** By its cookie; where the kernel gives none, the inode has to do. Undefined when neither is known. */
export function identityOf(namespace: NamespaceIdentity | undefined): string | undefined {
  if (namespace?.cookie) return `cookie:${namespace.cookie}`;
  return namespace?.inode ? `net:[${namespace.inode}]` : undefined;
}

/** False also when one of them is not known. */
export function isSameNamespace(
  one: NamespaceIdentity | undefined,
  other: NamespaceIdentity | undefined,
): boolean {
  const identity = identityOf(one);
  return identity !== undefined && identity === identityOf(other);
}
