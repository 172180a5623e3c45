// Who is at the other end of a connection that a server has.
import type { Identity } from './identity.js';

/** Who is at the other end of a unix socket: facts taken once, when the connection is made. */
export interface PeerCredentials {
  /** SO_PEERCRED, unix(7). 0 when the process is not visible from this PID namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Clock ticks since the machine started: with the pid, an identity. Undefined when the process has ended, or cannot be seen. */
  readonly startTime?: number;
  /** Undefined when it cannot be known. */
  readonly namespace?: NamespaceIdentity;
}

/** A network namespace, as the kernel tells it apart from all others: by its cookie where there is one, else by its inode. */
export interface NamespaceIdentity {
  /** 0 where it may not be seen. Given again after the namespace's end. */
  readonly inode: number;
  /** SO_NETNS_COOKIE: never given again until the machine restarts. 0 before Linux 5.14. */
  readonly cookie: bigint;
}

/** The process or host at the other end; empty on a unix socket without `identify`. */
export interface Caller {
  readonly peer?: PeerCredentials;
  /** IP address, over TCP. */
  readonly remoteAddress?: string;
  /** Over TLS. */
  readonly identity?: Identity;
  /** Over TLS: when the certificates that both sides have shown are over, in milliseconds since 1970. */
  readonly until?: number;
}
