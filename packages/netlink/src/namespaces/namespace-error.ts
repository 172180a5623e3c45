// The error for network namespaces that cannot be opened, made or removed.
import type { NetlinkError } from '../libc/netlink-error.js';

/**
 * - `invalid`: the reference has none of the accepted forms;
 * - `not-found`: no such namespace;
 * - `denied`: the process may not;
 * - `not-a-namespace`: it exists and is not a network namespace;
 * - `exists`: a namespace of that name exists already;
 * - `failed`: anything else the kernel refused.
 */
export type NamespaceErrorCode = 'invalid' | 'not-found' | 'denied' | 'not-a-namespace' | 'exists' | 'failed';

/** References come from anybody, and may be long. */
const MAXIMUM_SHOWN = 64;

const clipped = (reference: string): string =>
  reference.length <= MAXIMUM_SHOWN ? reference : `${reference.slice(0, MAXIMUM_SHOWN)}…`;

/** A network namespace that cannot be opened, made or removed. */
export class NamespaceError extends Error {
  override readonly name = 'NamespaceError';
  readonly code: NamespaceErrorCode;
  /** The reference as it was given. */
  readonly reference: string;

  /** @param cause what the kernel refused, where it did. */
  constructor(code: NamespaceErrorCode, reference: string, reason: string, cause?: NetlinkError) {
    super(`network namespace ${JSON.stringify(clipped(reference))}: ${reason}`, cause && { cause });
    this.code = code;
    this.reference = reference;
  }
}
