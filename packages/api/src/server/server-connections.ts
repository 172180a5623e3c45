// The connections that a server has: who is at the other end of each, and how many may be open.
import type { Socket } from 'node:net';
import { NsmError } from '../errors.js';
import { descriptorsLeft, openFileLimit, openFiles } from '../exhaustion.js';
import { LogThrottle } from '../log-throttle.js';
import { Pace } from '../pace.js';
import type { Caller, PeerCredentials } from '../tls/caller.js';
import { endAt } from '../tls/certificate-end.js';
import { Floods } from './floods.js';
import { RefusedConnections } from './refused-connections.js';
import { boundsOfFew, type CallBounds, type Owner, UnderWay } from './under-way.js';

/** What callers over unix sockets have of what is there for all: connections, calls, and bytes of requests and of unread replies. */
export type Shared = 'sockets' | 'streams' | 'callBytes';
/**
 * Takes so much as a caller's until what it returns is called; called again, that does nothing.
 * @throws NsmError `overload` when that is more than the caller may have.
 */
export type Share = (what: Shared, peer: PeerCredentials, more: number) => () => void;
/** The same for the calls of a known caller. */
export type TakeShare = (what: keyof CallBounds, more: number) => () => void;

/** How many may be open at the same time. */
interface Bound {
  readonly most: number;
  /** The part of this process's descriptors that they may have together. */
  readonly ofDescriptors: number;
}
type Way = 'unix' | 'TCP' | 'TLS';

/** Connections of one pod, host or manager: a client needs one, and behind one address there may be many managers. */
const ofOne: Readonly<Record<Way, Bound>> = {
  unix: { most: 4096, ofDescriptors: 1 / 4 },
  TCP: { most: 1024, ofDescriptors: 1 / 4 },
  TLS: { most: 32, ofDescriptors: 1 / 4 },
};
/** Of one user other than root, in however many network namespaces. */
const ofUser: Bound = { most: 4096, ofDescriptors: 1 / 2 };
/** Of all: whatever other hosts open, there is room for the pods of this node. */
const ofAll: Readonly<Record<Way, Bound>> = {
  unix: { most: 4096, ofDescriptors: 1 },
  TCP: { most: 16_384, ofDescriptors: 1 / 2 },
  TLS: { most: 16_384, ofDescriptors: 1 / 2 },
};
/** Of those that are open only to be told why they are not served. */
const refused = { ofOne: { most: 8, ofDescriptors: 1 / 32 }, ofAll: { most: 64, ofDescriptors: 1 / 16 } };

/** Calls of one manager or host: each costs some tenths of a millisecond, whatever comes of it. Beyond it the connection is closed. */
const callsOfMachine = { atOnce: 1024, perSecond: 1000 };
/** Calls of one pod, whose connection is closed when it calls more often: a crowd of refusals would be the node's work. */
const callsOfPod = { atOnce: 8192, perSecond: 2000 };

/** When so few descriptors are left, a new connection gets no other answer than that. */
const descriptorsKept = 16;

interface Connection {
  readonly socket: Socket;
  readonly caller: Caller;
  readonly way: Way;
  /** Under way. */
  calls: number;
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
  /** By whose they are, and by the way they came. */
  readonly #counts = new Map<string, number>();
  readonly #refused = new RefusedConnections();
  readonly #onCrowd: (error: NsmError) => void;
  readonly #share: Share | undefined;
  readonly #underWay: UnderWay;
  readonly #calls = { unix: new Pace(callsOfPod), other: new Pace(callsOfMachine) };
  readonly #throttle = new LogThrottle(() => performance.now());
  readonly #floods = new Floods();
  #last = 0;

  /** `onCrowd` hears of whoever has too many, once in some minutes. */
  constructor(onCrowd: (error: NsmError) => void, bounds: CallBounds = boundsOfFew, share?: Share) {
    this.#onCrowd = onCrowd;
    this.#underWay = new UnderWay(bounds);
    this.#share = share;
  }

  /**
   * Takes a connection on until it is closed.
   * @returns undefined when there is no room for the connection: its caller is told so, and the connection ended.
   */
  add(socket: Socket, caller: Caller): string | undefined {
    const way = wayOf(caller);
    let giveBack = (): void => undefined;
    let crowd = this.#crowd(way, caller);
    try {
      if (!crowd && this.#share && caller.peer) {
        this.#floods.admit(nameOf(caller));
        giveBack = this.#share('sockets', caller.peer, 1);
      }
    } catch (thrown) {
      crowd = { name: nameOf(caller), error: NsmError.from(thrown) };
    }
    if (crowd) {
      const { name, error } = crowd;
      if (this.#throttle.isNews(name, error.kind)) this.#onCrowd(error);
      const bounds = { ofOne: mostOf(refused.ofOne), ofAll: mostOf(refused.ofAll) };
      this.#refused.tell(socket, nameOf(caller), error, bounds);
      return undefined;
    }
    const token = `${way}:${++this.#last}`;
    const names = [way, nameOf(caller), userOf(caller)].filter((name) => name !== '');
    const connection = { socket, caller, way, calls: 0 };
    this.#open.set(token, connection);
    if (caller.until !== undefined) endAt(socket, caller.until, () => connection.calls === 0);
    for (const name of names) this.#count(name, 1);
    if (this.#share && caller.peer)
      this.#floods.watch(
        socket,
        nameOf(caller),
        (error) => void this.#crowded({ name: nameOf(caller) }, error),
      );
    socket.once('close', () => {
      this.#open.delete(token);
      for (const name of names) this.#count(name, -1);
      giveBack();
    });
    return token;
  }

  /** Undefined for what is none of its connections. */
  callerOf(token: string): Caller | undefined {
    return this.#open.get(token)?.caller;
  }

  /**
   * Lets a call in.
   * @returns what takes shares for the call; undefined for a call over what is none of its connections.
   * @throws NsmError `overload` when the caller calls too often.
   */
  admit(token: string): TakeShare | undefined {
    const connection = this.#open.get(token);
    if (!connection) return undefined;
    const { caller, socket, way } = connection;
    const owner = { name: nameOf(caller), user: userOf(caller) };
    const pace = this.#calls[way === 'unix' ? 'unix' : 'other'];
    if (pace.allows(owner.name)) return counted(connection, this.#shareOf(caller, owner));
    socket.destroy();
    throw this.#crowded(
      owner,
      new NsmError('overload', `${owner.name} calls more often than ${pace.perSecond} times a second`),
    );
  }

  /** Of what the caller may have, and of what there is for all. */
  #shareOf({ peer }: Caller, owner: Owner): TakeShare {
    const share = this.#share;
    return (what, more) => {
      const giveBack = share && peer ? share(what, peer, more) : () => undefined;
      try {
        const giveBackToAll = this.#underWay.take(what, owner, more);
        return () => {
          giveBack();
          giveBackToAll();
        };
      } catch (thrown) {
        giveBack();
        throw this.#crowded(owner, NsmError.from(thrown));
      }
    };
  }

  #crowded({ name }: Pick<Owner, 'name'>, error: NsmError): NsmError {
    if (this.#throttle.isNews(name, error.message)) this.#onCrowd(error);
    return error;
  }

  /** Calls under way, over all connections. */
  get calls(): number {
    return [...this.#open.values()].reduce((sum, { calls }) => sum + calls, 0);
  }

  destroy(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
    this.#refused.destroy();
  }

  /** Descriptors are for all: neither one process or host nor all together may take them away. */
  #crowd(way: Way, caller: Caller): Crowd | undefined {
    for (const [name, bound] of [
      [nameOf(caller), ofOne[way]],
      [userOf(caller), ofUser],
      [way, ofAll[way]],
    ] as const) {
      const open = this.#counts.get(name) ?? 0;
      if (open >= mostOf(bound)) return { name, error: tooMany(name, open) };
    }
    if (descriptorsLeft() >= descriptorsKept) return undefined;
    const error = new NsmError('exhausted', `no more connections can be served: ${openFiles()}`);
    return { name: 'descriptors', error };
  }

  #count(name: string, by: 1 | -1): void {
    const count = (this.#counts.get(name) ?? 0) + by;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }
}

function counted(connection: Connection, take: TakeShare): TakeShare {
  return (what, more) => {
    const giveBack = take(what, more);
    if (what !== 'streams') return giveBack;
    connection.calls++;
    return () => {
      connection.calls--;
      giveBack();
    };
  };
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
