// Unix sockets that pass descriptors (SCM_RIGHTS, unix(7)): such that keep messages apart, and streams.
import * as libc from '../libc/libc.js';
import { check, NetlinkError } from '../libc/netlink-error.js';

const types = { packets: 5, stream: 1 } as const;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_NOSIGNAL = 0x4000;
const MAX_PATH = 107;
/** SCM_MAX_FD: as many as come with one message. Those without room the kernel would close, in the thread that receives. */
const MAX_DESCRIPTORS = 253;
/** struct cmsghdr: length, level, type. */
const CONTROL_HEADER = 16;
const EAGAIN = 11;

/** Whether messages are kept apart (SOCK_SEQPACKET) or not (SOCK_STREAM). */
export type UnixSocketKind = keyof typeof types;

/** A message, or a piece of a stream, with the descriptors that came with it, which are the receiver's to close. */
export interface Packet {
  /** Valid until the next one is received. */
  readonly data: Buffer;
  readonly descriptors: readonly number[];
}

/** Closes a descriptor that another process can make slow to close: one that it sent, or a socket in which some may still be. */
export type LetGo = (fd: number) => void;

/** One end of a connection, non-blocking. */
export class UnixSocket implements Disposable {
  readonly fd: number;
  readonly letGo: LetGo;
  readonly #receiver: libc.MessageReceiver;
  #open = true;

  /** Takes over a connected socket. @param size of the largest message, or piece of a stream, bytes. */
  constructor(fd: number, size: number, letGo: LetGo = libc.close) {
    this.fd = fd;
    this.letGo = letGo;
    this.#receiver = new libc.MessageReceiver(size, CONTROL_HEADER + 4 * MAX_DESCRIPTORS);
  }

  /** @throws NetlinkError ENOENT, ECONNREFUSED: no process listens there; EACCES */
  static connect(path: string, size: number, kind: UnixSocketKind = 'packets', letGo?: LetGo): UnixSocket {
    const fd = openSocket(kind);
    const address = addressOf(path);
    const result = libc.connect(fd, address, address.length);
    if (result < 0) libc.close(fd);
    check(result, 'connect to', path);
    return new UnixSocket(fd, size, letGo);
  }

  /** Of a stream whole or not at all. @throws NetlinkError EPIPE, ECONNRESET: the other side has gone; EAGAIN: it does not read */
  send(data: Uint8Array, descriptors: readonly number[] = []): void {
    const control = Buffer.alloc(descriptors.length === 0 ? 0 : CONTROL_HEADER + 4 * descriptors.length);
    if (descriptors.length > 0) {
      control.writeBigUInt64LE(BigInt(control.length), 0);
      control.writeInt32LE(libc.SOL_SOCKET, 8);
      control.writeInt32LE(SCM_RIGHTS, 12);
      for (const [index, fd] of descriptors.entries()) control.writeInt32LE(fd, CONTROL_HEADER + 4 * index);
    }
    const sent = check(libc.sendMessage(this.fd, data, control, MSG_NOSIGNAL), 'send to', 'the other side');
    if (sent < data.length) throw new NetlinkError(EAGAIN, 'send to', 'the other side');
  }

  /**
   * The next message; `'nothing'` when there is none yet, undefined when the other side has gone.
   * @param limit bytes of a stream that are wanted now; descriptors come with the first byte that they were sent with.
   * @throws NetlinkError ECONNRESET
   */
  receive(limit?: number): Packet | 'nothing' | undefined {
    const result = this.#receiver.receive(this.fd, MSG_CMSG_CLOEXEC, limit);
    if (result === -EAGAIN) return 'nothing';
    const length = check(result, 'receive from', 'the other side');
    const descriptors = this.#descriptors();
    if (length > 0) return { data: this.#receiver.data.subarray(0, length), descriptors };
    // An empty message is no message.
    for (const fd of descriptors) this.letGo(fd);
    return undefined;
  }

  /** The other side hears so at once, whenever the descriptor is closed. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc.shutdown(this.fd, libc.SHUT_RDWR);
    this.letGo(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #descriptors(): number[] {
    const { control, controlLength } = this.#receiver;
    const found: number[] = [];
    for (let at = 0; at + CONTROL_HEADER <= controlLength; ) {
      const length = control.readUInt32LE(at);
      if (length < CONTROL_HEADER) break;
      const rights =
        control.readInt32LE(at + 8) === libc.SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS;
      for (let next = at + CONTROL_HEADER; rights && next + 4 <= at + length; next += 4)
        found.push(control.readInt32LE(next));
      at += Math.ceil(length / 8) * 8;
    }
    return found;
  }
}

/** A listening socket, non-blocking. */
export class UnixListener implements Disposable {
  readonly fd: number;
  readonly #letGo: LetGo;
  #open = true;

  /** @throws NetlinkError EADDRINUSE: there is something at that path */
  constructor(path: string, kind: UnixSocketKind = 'packets', letGo: LetGo = libc.close) {
    this.fd = openSocket(kind);
    this.#letGo = letGo;
    const address = addressOf(path);
    const bound = libc.bind(this.fd, address, address.length);
    const result = bound < 0 ? bound : libc.listen(this.fd, 16);
    if (result < 0) libc.close(this.fd);
    check(result, 'listen on', path);
  }

  /** The next connection, or undefined when none waits. */
  accept(size: number): UnixSocket | undefined {
    const fd = libc.accept(this.fd, null, null, libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK);
    return fd < 0 ? undefined : new UnixSocket(fd, size, this.#letGo);
  }

  close(): void {
    if (this.#open) this.#letGo(this.fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function openSocket(kind: UnixSocketKind): number {
  const type = types[kind] | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
  return check(libc.socket(libc.AF_UNIX, type, 0), 'open', 'a unix socket');
}

/** struct sockaddr_un. */
export function addressOf(path: string): Buffer {
  const bytes = Buffer.from(path);
  const ENAMETOOLONG = 36;
  if (bytes.length > MAX_PATH) throw new NetlinkError(ENAMETOOLONG, 'use socket', path);
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(libc.AF_UNIX, 0);
  bytes.copy(address, 2);
  return address;
}
