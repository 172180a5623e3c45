// One netlink socket, living in one namespace: requests with acknowledgement, dumps, batches. Synchronous throughout.
import { DecodeError } from '../decode-error.js';
import { E2BIG, EAGAIN, EINTR, ENOBUFS } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import {
  type BatchFailure,
  type KernelDetail,
  NetlinkBatchError,
  NetlinkError,
} from '../libc/netlink-error.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import {
  decodeAcknowledgement,
  type Message,
  MessageWriter,
  messagesIn,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_ECHO,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './message.js';
import type { DumpOptions, Request } from './netlink-request.js';
import { namespaceOfSocket, openNetlink } from './open-netlink.js';
import { type BatchPart, RequestBatch } from './request-batch.js';

// The kernel builds parts of dumps of 32 KB at most (net/netlink/af_netlink.c); single answers can be larger (SR-IOV).
let received = Buffer.allocUnsafeSlow(64 * 1024);
// One thread, one request at a time: all sockets of the thread share the buffers.
const shared = new MessageWriter(4096);
// A table that changes while it is read is read again; so many times before it is called an error.
const DUMP_ATTEMPTS = 16;

/** One netlink socket. Close it as soon as you can: it keeps its namespace alive. */
export class NetlinkSocket implements Disposable {
  #fd: number;
  #sequence = 0;
  #batch: RequestBatch | undefined;
  readonly #mostEntries: number;
  #inode: number | undefined;

  private constructor(fd: number, inode: number | undefined, mostEntries: number) {
    this.#fd = fd;
    this.#inode = inode;
    this.#mostEntries = mostEntries;
  }

  /**
   * Opens a socket of a netlink protocol in `namespace`, or where the thread is.
   * @param mostEntries of a table that are read, however often it is read because it changes. Default: any number.
   * @throws NetlinkError, NamespaceError
   */
  static open(
    protocol: number,
    namespace?: NetworkNamespace,
    mostEntries: number = Number.POSITIVE_INFINITY,
  ): NetlinkSocket {
    const fd = openNetlink(protocol, namespace);
    return new NetlinkSocket(fd, namespace?.inode, mostEntries);
  }

  /** −1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Opens the namespace the socket lives in, for the caller to close. @throws NetlinkError EPERM without CAP_NET_ADMIN */
  openNamespace(): NetworkNamespace {
    return namespaceOfSocket(this.#fd);
  }

  /** Inode of the namespace the socket lives in; undefined when the kernel will not tell. */
  get namespaceInode(): number | undefined {
    if (this.#inode === undefined && this.#fd >= 0) {
      try {
        using namespace = this.openNamespace();
        this.#inode = namespace.inode;
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error;
      }
    }
    return this.#inode;
  }

  /** Lets go of the socket and of its namespace. Harmless when repeated. */
  close(): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Sends a request and waits for its acknowledgement; within a batch, queues it. @throws NetlinkError */
  request(request: Request, encode: (writer: MessageWriter) => void): void {
    const flags = NLM_F_REQUEST | NLM_F_ACK | (request.flags ?? 0);
    if (this.#batch !== undefined)
      this.#batch.add(request, (writer) => this.#write(writer, request, flags, encode));
    else this.#exchange(request, flags, encode, true, ignore);
  }

  /** Sends a request that asks back the messages of what it did (NLM_F_ECHO), and hands them to `take`. @throws NetlinkError */
  requestEcho(
    request: Request,
    encode: (writer: MessageWriter) => void,
    take: (message: Message) => void,
  ): void {
    this.#refuseInBatch(request);
    const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO | (request.flags ?? 0);
    this.#exchange(request, flags, encode, true, take);
  }

  /** Asks for one object. @throws NetlinkError */
  get<T>(request: Request, encode: (writer: MessageWriter) => void, decode: (message: Message) => T): T {
    const answer = this.#ask(request, encode, decode, []);
    if (answer === undefined) throw this.error(EAGAIN, request, { text: 'no answer' });
    return answer.value;
  }

  /**
   * Asks for one object that may not be there.
   * @param absent the error numbers that say so: an error that is expected is not made, which takes longer than the question.
   * @throws NetlinkError for all others.
   */
  find<T>(
    request: Request,
    encode: (writer: MessageWriter) => void,
    decode: (message: Message) => T,
    absent: readonly number[],
  ): T | undefined {
    return this.#ask(request, encode, decode, absent)?.value;
  }

  /** Reads a whole table; `decode` leaves out what it returns undefined for. @throws NetlinkError */
  dump<T>(
    request: Request,
    encode: (writer: MessageWriter) => void,
    decode: (message: Message) => T | undefined,
    options: DumpOptions = {},
  ): T[] {
    this.#refuseInBatch(request);
    let read = 0;
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const found: T[] = [];
      let interrupted = false;
      const flags = NLM_F_REQUEST | NLM_F_DUMP | (request.flags ?? 0);
      const complete = this.#exchange(request, flags, encode, true, (message) => {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_DONE) return;
        if (++read > this.#mostEntries) throw this.#tooMany(request);
        const entry = decode(message);
        if (entry !== undefined) found.push(entry);
      });
      if (!complete) continue;
      if (!interrupted || options.acceptInterrupted === true) return found;
    }
    throw this.error(EINTR, request, { text: `changed during each of ${DUMP_ATTEMPTS} readings` });
  }

  /** Closes the socket: the kernel goes on with a table until its end, or the socket's. */
  #tooMany(request: Request): NetlinkError {
    const text = `more than ${this.#mostEntries} entries, or it changes while it is read`;
    const error = this.error(E2BIG, request, { text });
    this.close();
    return error;
  }

  /**
   * Gathers the requests that `fn` makes on this socket and sends them together. All are carried out, in order, even
   * after one has failed; only requests that change something can be batched. A throw of `fn` sends nothing.
   * @throws NetlinkBatchError when at least one was refused
   */
  batch(fn: () => void): void {
    if (this.#batch !== undefined) throw new TypeError('a batch within a batch');
    const batch = new RequestBatch();
    this.#batch = batch;
    try {
      fn();
    } finally {
      this.#batch = undefined;
    }
    const failures: BatchFailure[] = [];
    for (const part of batch.parts()) this.#flush(batch, part, failures);
    const [first] = failures;
    if (first !== undefined) throw new NetlinkBatchError(first, failures);
  }

  /** Whether a batch is being gathered. */
  get batching(): boolean {
    return this.#batch !== undefined;
  }

  /** A NetlinkError about this socket's namespace. */
  error(
    errno: number,
    request: Pick<Request, 'operation' | 'object'>,
    detail: KernelDetail = {},
  ): NetlinkError {
    const inode = this.namespaceInode;
    const where = inode === undefined ? '' : `in netns ${inode}`;
    return new NetlinkError(errno, request.operation, `${request.object} ${where}`.trim(), detail);
  }

  #ask<T>(
    request: Request,
    encode: (writer: MessageWriter) => void,
    decode: (message: Message) => T,
    absent: readonly number[],
  ): { readonly value: T } | undefined {
    this.#refuseInBatch(request);
    let answer: { readonly value: T } | undefined;
    const flags = NLM_F_REQUEST | (request.flags ?? 0);
    const take = (message: Message): void => {
      answer = { value: decode(message) };
    };
    const ask = (): boolean => this.#exchange(request, flags, encode, false, take, absent);
    if (!ask()) ask();
    return answer;
  }

  #refuseInBatch(request: Request): void {
    if (this.#batch !== undefined)
      throw new TypeError(`${request.operation}: only changes can be batched, not questions`);
  }

  #write(
    writer: MessageWriter,
    request: Request,
    flags: number,
    encode: (writer: MessageWriter) => void,
  ): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const at = writer.start(request.type, flags, this.#sequence);
    try {
      encode(writer);
    } catch (error) {
      // A number that does not fit its field.
      if (!(error instanceof RangeError)) throw error;
      throw new DecodeError(`${request.operation} ${request.object}: ${error.message}`, { cause: error });
    }
    writer.finish(at);
    return this.#sequence;
  }

  #send(bytes: Uint8Array, length: number, request: Request): void {
    const sent = libc.send(this.#fd, bytes, length, 0);
    if (sent < 0) throw this.error(-sent, request);
  }

  // The kernel answers within send(2), so the answer is there or never comes: nothing here can hang.
  #receive(request: Request): number {
    const size = libc.recv(this.#fd, received, received.length, libc.MSG_DONTWAIT | libc.MSG_TRUNC);
    if (size < 0) throw this.error(-size, request, size === -EAGAIN ? { text: 'no answer' } : {});
    if (size > received.length) {
      received = Buffer.allocUnsafeSlow(size * 2);
      throw new AnswerTooLarge();
    }
    return size;
  }

  // `untilEnd`: go on until the acknowledgement or the end of the dump; otherwise the first answer is all. False when an
  // answer did not fit the buffer, which has grown since: ask again.
  #exchange(
    request: Request,
    flags: number,
    encode: (writer: MessageWriter) => void,
    untilEnd: boolean,
    take: (message: Message) => void,
    absent: readonly number[] = [],
  ): boolean {
    shared.length = 0;
    const sequence = this.#write(shared, request, flags, encode);
    this.#send(shared.bytes, shared.length, request);
    try {
      for (;;) {
        const size = this.#receive(request);
        for (const message of messagesIn(received, size)) {
          // An answer to an earlier request that was given up.
          if (message.sequence !== sequence) continue;
          if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
            const answer = decodeAcknowledgement(message);
            if (absent.includes(answer.errno)) return true;
            if (answer.errno !== 0) throw this.error(answer.errno, request, answer);
            if (message.type === NLMSG_DONE) take(message);
            return true;
          }
          take(message);
          if (!untilEnd) return true;
        }
      }
    } catch (error) {
      this.#drain();
      if (error instanceof AnswerTooLarge) return false;
      throw error;
    }
  }

  #flush(batch: RequestBatch, { bytes, positions }: BatchPart, failures: BatchFailure[]): void {
    const [position = 0] = positions.values();
    const head = batch.at(position);
    if (head === undefined) return;
    this.#send(bytes, bytes.length, head);
    try {
      for (let left = positions.size; left > 0; ) {
        const size = this.#receive(head);
        for (const message of messagesIn(received, size)) {
          const index = positions.get(message.sequence);
          const request = index === undefined ? undefined : batch.at(index);
          if (index === undefined || request === undefined || message.type !== NLMSG_ERROR) continue;
          left--;
          const answer = decodeAcknowledgement(message);
          if (answer.errno !== 0) failures.push({ index, error: this.error(answer.errno, request, answer) });
        }
      }
    } catch (error) {
      this.#drain();
      throw error;
    }
  }

  // After a failure: reads away what is left, so that no dump is under way when the next request comes.
  #drain(): void {
    for (;;) {
      const size = libc.recv(this.#fd, received, received.length, libc.MSG_DONTWAIT);
      if (size < 0 && size !== -ENOBUFS) return;
    }
  }
}

class AnswerTooLarge extends DecodeError {}

const ignore = (): void => {};
