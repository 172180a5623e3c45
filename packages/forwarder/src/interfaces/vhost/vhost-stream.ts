// The messages of one vhost-user socket, whole, with the descriptors that came with them.
import type { UnixSocket } from '@nsm/netlink';
import { decodeHeader, encodeMessage, type Header, headerSize } from './vhost-messages.js';

export interface VhostMessage {
  readonly header: Header;
  readonly payload: Buffer;
  /** The receiver's to let go. */
  readonly descriptors: readonly number[];
}

/** More than any message may have. */
const maxDescriptors = 8;

export class VhostStream {
  readonly #socket: UnixSocket;
  #bytes = Buffer.alloc(0);
  #descriptors: number[] = [];

  /** Takes over the socket. */
  constructor(socket: UnixSocket) {
    this.#socket = socket;
  }

  get fd(): number {
    return this.#socket.fd;
  }

  /**
   * The next message; undefined when it is not all there yet.
   * @throws Error when the peer has gone, or sends what is no message.
   */
  receive(): VhostMessage | undefined {
    // Never more than is missing: descriptors belong to the message with whose bytes they come.
    for (;;) {
      const header = this.#bytes.length < headerSize ? undefined : decodeHeader(this.#bytes);
      const missing = headerSize + (header?.size ?? 0) - this.#bytes.length;
      if (header && missing === 0) return this.#take(header);
      const packet = this.#socket.receive(missing);
      if (packet === 'nothing') return undefined;
      if (packet === undefined) throw new Error('the peer has closed the connection');
      this.#bytes = Buffer.concat([this.#bytes, packet.data]);
      this.#descriptors.push(...packet.descriptors);
      if (this.#descriptors.length > maxDescriptors) throw new Error('more descriptors than any message has');
    }
  }

  /** @throws NetlinkError when the peer has gone, or does not read. */
  send(number: number, payload: Buffer, descriptors: readonly number[] = [], reply = false): void {
    this.#socket.send(encodeMessage(number, payload, reply), descriptors);
  }

  letGo(descriptors: readonly number[]): void {
    for (const fd of descriptors) this.#socket.letGo(fd);
  }

  close(): void {
    this.#socket.close();
    this.letGo(this.#descriptors.splice(0));
  }

  #take(header: Header): VhostMessage {
    const message = {
      header,
      payload: this.#bytes.subarray(headerSize),
      descriptors: this.#descriptors,
    };
    this.#bytes = Buffer.alloc(0);
    this.#descriptors = [];
    return message;
  }
}
