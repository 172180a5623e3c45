// The connections that a server has: who is at the other end of each, and how many may be open.
import type { Socket } from 'node:net';
import type { Owner } from './calls-under-way.js';
import { NsmError } from './errors.js';
import { descriptorsLeft, openFileLimit, openFiles } from './exhaustion.js';
import type { Identity } from './identity.js';
import { LogThrottle } from './log-throttle.js';
import { Pace } from './pace.js';

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
}

/** How many may be open at the same time. */
interface Bound {
  readonly most: number;
  /** The part of this process's descriptors that they may have together. */
  readonly ofDescriptors: number;
}
type Way = 'unix' | 'TCP' | 'TLS';

/** Connections of one pod, host or manager: a client needs one, and behind one address there may be many managers. */
const ofOne: Readonly<Record<Way, Bound>> = {
  unix: { most: 256, ofDescriptors: 1 / 4 },
  TCP: { most: 1024, ofDescriptors: 1 / 4 },
  TLS: { most: 32, ofDescriptors: 1 / 4 },
};
/** Of one user other than root, in however many network namespaces. */
const ofUser: Bound = { most: 1024, ofDescriptors: 1 / 2 };
/** Of all: whatever other hosts open, there is room for the pods of this node. */
const ofAll: Readonly<Record<Way, Bound>> = {
  unix: { most: 4096, ofDescriptors: 1 },
  TCP: { most: 16_384, ofDescriptors: 1 / 2 },
  TLS: { most: 16_384, ofDescriptors: 1 / 2 },
};

/** Calls of one manager or host: each costs some tenths of a millisecond, whatever comes of it. Beyond it the connection is closed. */
const calls = { atOnce: 1024, perSecond: 1000 };

/** When so few descriptors are left, a new connection gets no other answer than that. */
const descriptorsKept = 16;
/** Connections that are open to be told why they are not served, one of each pod or host, and milliseconds for asking. */
const refusedAtOnce = 8;
const refusedForMs = 1000;

interface Connection {
  readonly socket: Socket;
  readonly caller: Caller;
  readonly way: Way;
  /** What every call over it is answered. */
  readonly refusal: NsmError | undefined;
}

/** What there is too much of, and what is said of it. */
interface Crowd {
  /** Whose connections, or what is short. */
  readonly name: string;
  readonly error: NsmError;
}

/** By the token that stands for each in its calls. */
export class ServerConnections {
  readonly #open = new Map<string, Connection>();
  /** Tokens by whose they are, and by the way they came. */
  readonly #of = new Map<string, Set<string>>();
  /** Whose too many connections have been told of. */
  readonly #told = new Set<string>();
  readonly #onCrowd: (error: NsmError) => void;
  readonly #calls = new Pace(calls);
  readonly #throttle = new LogThrottle(() => performance.now());
  #last = 0;

  /** `onCrowd` hears once of whoever has too many, and again when it has had half as many between. */
  constructor(onCrowd: (error: NsmError) => void) {
    this.#onCrowd = onCrowd;
  }

  /**
   * Takes a connection on until it is closed.
   * @throws NsmError `overload` or `exhausted` when there is no room for it, not even to say so over it.
   */
  add(socket: Socket, caller: Caller): string {
    const way = wayOf(caller);
    const refusal = this.#refusal(way, caller);
    const token = `${way}:${++this.#last}`;
    const names = [way, nameOf(caller), userOf(caller)].filter((name) => name !== '');
    this.#open.set(token, { socket, caller, way, refusal });
    for (const name of names) this.#of.set(name, (this.#of.get(name) ?? new Set()).add(token));
    socket.once('close', () => {
      this.#open.delete(token);
      for (const name of names) this.#leave(name, token, way);
    });
    if (refusal) endSoon(socket);
    return token;
  }

  /** Undefined for what is none of its connections. */
  callerOf(token: string): Caller | undefined {
    return this.#open.get(token)?.caller;
  }

  ownerOf(token: string): Owner {
    const caller = this.callerOf(token) ?? {};
    return { name: nameOf(caller), user: userOf(caller) };
  }

  /** @throws NsmError what calls over this connection are refused with */
  admit(token: string): void {
    const connection = this.#open.get(token);
    if (connection?.refusal) throw connection.refusal;
    if (!connection || connection.way === 'unix') return;
    const name = nameOf(connection.caller);
    if (this.#calls.allows(name)) return;
    connection.socket.destroy();
    const error = new NsmError('overload', `${name} calls more often than ${calls.perSecond} times a second`);
    if (this.#throttle.isNews(name, error.message)) this.#onCrowd(error);
    throw error;
  }

  destroy(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  /** Why a new connection is not served. @throws NsmError the same when it cannot even be told */
  #refusal(way: Way, caller: Caller): NsmError | undefined {
    const crowd = this.#crowd(way, caller);
    if (!crowd) return undefined;
    const { name, error } = crowd;
    if (!this.#told.has(name)) this.#onCrowd(error);
    this.#told.add(name);
    const refused = [...this.#open.values()].filter(({ refusal }) => refusal);
    const own = nameOf(caller);
    if (refused.length >= refusedAtOnce || refused.some((other) => nameOf(other.caller) === own)) throw error;
    return error;
  }

  /** Descriptors are for all: neither one process or host nor all together may take them away. */
  #crowd(way: Way, caller: Caller): Crowd | undefined {
    const left = descriptorsLeft();
    if (left >= 2 * descriptorsKept) this.#told.delete('descriptors');
    for (const [name, bound] of [
      [nameOf(caller), ofOne[way]],
      [userOf(caller), ofUser],
      [way, ofAll[way]],
    ] as const) {
      const open = name === '' ? 0 : this.#count(name);
      if (open >= mostOf(bound)) return { name, error: tooMany(name, open) };
    }
    if (left >= descriptorsKept) return undefined;
    const error = new NsmError('exhausted', `no more connections can be served: ${openFiles()}`);
    return { name: 'descriptors', error };
  }

  #count(name: string): number {
    return this.#of.get(name)?.size ?? 0;
  }

  #leave(name: string, token: string, way: Way): void {
    const tokens = this.#of.get(name);
    tokens?.delete(token);
    if (tokens?.size === 0) this.#of.delete(name);
    if (
      this.#count(name) <=
      mostOf(name === way ? ofAll[way] : name.startsWith('user ') ? ofUser : ofOne[way]) / 2
    )
      this.#told.delete(name);
  }
}

function mostOf({ most, ofDescriptors }: Bound): number {
  return Math.min(most, Math.floor(openFileLimit() * ofDescriptors));
}

function wayOf({ identity, remoteAddress }: Caller): Way {
  if (identity) return 'TLS';
  return remoteAddress === undefined ? 'unix' : 'TCP';
}

/** '' of whom nothing is known. */
function nameOf({ peer, remoteAddress, identity }: Caller): string {
  if (identity) return `${identity.kind} ${identity.name} of trust domain ${identity.domain}`;
  if (remoteAddress !== undefined) return `host ${remoteAddress}`;
  const { inode, cookie } = peer?.namespace ?? {};
  if (inode || cookie) return `network namespace ${inode || `of cookie ${cookie}`}`;
  return peer ? `process ${peer.pid}` : '';
}

/** '' of root, whose pods are not one another's. */
function userOf({ peer }: Caller): string {
  return peer && peer.uid !== 0 ? `user ${peer.uid}` : '';
}

function tooMany(name: string, open: number): NsmError {
  const whose =
    name === 'unix' || name === 'TCP' || name === 'TLS'
      ? `connections over ${name}`
      : `connections of ${name}`;
  return new NsmError(
    'overload',
    `${open} ${whose} are open, and no more are served: a client needs one, for all its calls; close some, or raise the ` +
      `files that process ${process.pid} may have open, of which they may have a part: ${openFileLimit()} (RLIMIT_NOFILE)`,
  );
}

function endSoon(socket: Socket): void {
  const end = setTimeout(() => socket.destroy(), refusedForMs);
  socket.once('close', () => clearTimeout(end));
}
