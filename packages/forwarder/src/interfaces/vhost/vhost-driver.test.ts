// A driver of ours and a device written here by hand, which keeps to the rules or does not.
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { libc, SharedMemory, UnixListener, UnixSocket } from '@nsm/netlink';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { anyMemory } from '../tap/memory-shares.js';
import type { Moved, Queues } from '../tap/session.js';
import { VhostDriver } from './vhost-driver.js';
import {
  decodeRegions,
  decodeRingAddresses,
  decodeRingNumber,
  encodeNumber,
  features,
  messageSize,
  type RingAddresses,
  requests,
} from './vhost-messages.js';
import { VhostStream } from './vhost-stream.js';

const ringSize = 8;
const largestFrame = 1518;

describe('vhost-user driver', () => {
  let folder: string;
  let listener: UnixListener;
  let socket: UnixSocket;
  let device: VhostStream;
  let driver: VhostDriver;
  let descriptorsBefore: number;
  const kept: Disposable[] = [];

  beforeEach(() => {
    descriptorsBefore = readdirSync('/proc/self/fd').length;
    folder = mkdtempSync(join(tmpdir(), 'nsmt-vhost-'));
    const path = join(folder, 'socket');
    listener = new UnixListener(path, 'stream');
    const near = UnixSocket.connect(path, messageSize, 'stream');
    socket = listener.accept(messageSize)!;
    device = new VhostStream(socket);
    driver = new VhostDriver(near, { role: 'client', queues: 1, ringSize, largestFrame }, anyMemory);
  });
  afterEach(() => {
    driver.close();
    device.close();
    listener.close();
    for (const one of kept.splice(0)) one[Symbol.dispose]();
    rmSync(folder, { recursive: true });
    expect(readdirSync('/proc/self/fd').length).toBe(descriptorsBefore);
  });

  const answer = (offered: bigint): void => {
    device.send(requests.getFeatures, encodeNumber(offered), [], true);
    driver.heed();
  };
  const counter = (): Moved => ({ packets: 0, bytes: 0, drops: 0 });
  const file = (content = ''): { fd: number; content(): string } => {
    const path = join(folder, `file${kept.length}`);
    writeFileSync(path, content);
    const fd = openSync(path, 'r+');
    kept.push({ [Symbol.dispose]: () => void libc.close(fd) });
    return { fd, content: () => readFileSync(path, 'latin1') };
  };

  /** What the driver lends to a device. */
  class Lent {
    readonly bytes: DataView;
    readonly queues: Queues;
    readonly #base: number;
    readonly #rings: readonly RingAddresses[];
    readonly #used = [0, 0];
    readonly #kicks: readonly number[];

    constructor() {
      answer(features.version1 | features.protocolFeatures | features.mergeableBuffers);
      expect(driver.queues).toBeUndefined();
      const rings: RingAddresses[] = [];
      const kicks: number[] = [];
      let memory: SharedMemory | undefined;
      let base = 0;
      for (let message = device.receive(); message; message = device.receive()) {
        const { header, payload, descriptors } = message;
        const [fd] = descriptors;
        if (header.request === 'setMemTable') {
          const [region] = decodeRegions(payload);
          base = region!.user;
          memory = SharedMemory.map(fd!, region!.size);
          kept.push(memory);
        }
        if (header.request === 'setVringNum') expect(decodeRingNumber(payload).value).toBe(ringSize);
        if (header.request === 'setVringAddr') rings.push(decodeRingAddresses(payload));
        if (header.request === 'setVringKick') kicks.push(fd!);
        if (fd !== undefined) kept.push({ [Symbol.dispose]: () => void libc.close(fd) });
      }
      answer(0n);
      this.bytes = new DataView(memory!.bytes);
      this.queues = driver.queues!;
      this.#base = base;
      this.#rings = rings;
      this.#kicks = kicks;
    }

    available(index: number): number {
      return this.bytes.getUint16(this.#rings[index]!.available - this.#base + 2, true);
    }
    /** Address in the memory and length of a buffer. */
    buffer(index: number, id: number): { at: number; length: number } {
      const at = this.#rings[index]!.descriptors - this.#base + 16 * id;
      return {
        at: Number(this.bytes.getBigUint64(at, true)) - this.#base,
        length: this.bytes.getUint32(at + 8, true),
      };
    }
    use(index: number, id: number, length: number, count = 1): void {
      const at = this.#rings[index]!.used - this.#base;
      const slot = at + 4 + 8 * (this.#used[index]! % ringSize);
      this.bytes.setUint32(slot, id, true);
      this.bytes.setUint32(slot + 4, length, true);
      this.#used[index]! += count;
      this.bytes.setUint16(at + 2, this.#used[index]!, true);
    }
    wantNoKicks(index: number): void {
      this.bytes.setUint16(this.#rings[index]!.used - this.#base, 1, true);
    }
    kicked(index: number): boolean {
      return libc.read(this.#kicks[index]!, Buffer.alloc(8), 8) === 8;
    }
  }

  it('sends packets, is woken when there is room again, and wakes only who wants to be woken', () => {
    const lent = new Lent();
    const { send } = lent.queues;
    const moved = counter();
    for (let n = 0; n < ringSize; n++) send.fillFrom(file('x').fd, 1, moved);
    expect(send.fillFrom(file('x').fd, 1, moved)).toBe('full');
    expect(lent.kicked(1)).toBe(true);
    lent.wantNoKicks(1);
    lent.use(1, 5, 0);
    lent.use(1, 2, 0);
    expect(send.fillFrom(file('late').fd, 1, moved)).toBe('more');
    expect(lent.kicked(1)).toBe(false);
    expect(lent.available(1)).toBe(ringSize + 1);
    const { at, length } = lent.buffer(1, 2);
    expect(length).toBe(12 + 4);
    expect(String.fromCharCode(lent.bytes.getUint8(at + 12))).toBe('l');
  });

  it('takes packets, and lends their buffers again', () => {
    const lent = new Lent();
    const [receive] = lent.queues.receive;
    expect(lent.available(0)).toBe(ringSize);
    const { fd, content } = file();
    const moved = counter();
    for (const [id, text] of ['one,', 'two'].entries()) {
      for (const [n, byte] of [...Buffer.from(text)].entries())
        lent.bytes.setUint8(lent.buffer(0, id).at + 12 + n, byte);
      lent.use(0, id, 12 + text.length);
    }
    // No frame, and more than a buffer holds.
    lent.use(0, 2, 12);
    lent.use(0, 3, 1e6);
    expect(receive!.drainTo(fd, 256, moved)).toBe(false);
    expect(content()).toBe('one,two');
    expect(moved).toEqual({ packets: 2, bytes: 7, drops: 2 });
    expect(lent.available(0)).toBe(ringSize + 4);
  });

  it.each<[string, (lent: Lent) => void, RegExp]>([
    ['more than was lent', (lent) => lent.use(0, 0, 64, ringSize + 1), /more buffers than the ring/],
    ['what is no buffer', (lent) => lent.use(0, ringSize, 64), /outside of the ring/],
    [
      'what it did not have',
      (lent) => {
        lent.use(1, 3, 0);
        lent.use(1, 3, 0);
      },
      /did not have/,
    ],
    ['an answer nobody asked for', () => answer(0n), /was not asked for/],
    ['its end', () => device.close(), /closed the connection/],
  ])('ends with %s', (_what, spoil, expected) => {
    const lent = new Lent();
    const { send, receive } = lent.queues;
    for (let n = 0; n < ringSize; n++) send.fillFrom(file('x').fd, 1, counter());
    expect(() => {
      spoil(lent);
      driver.heed();
      receive[0]!.drainTo(file().fd, 256, counter());
      send.fillFrom(file('x').fd, 1, counter());
    }).toThrow(expected);
  });

  it.each<[string, () => void, RegExp]>([
    ['too old', () => answer(features.protocolFeatures), /older than version 1/],
    [
      'that asks',
      () => {
        device.send(requests.getFeatures, Buffer.alloc(0));
        driver.heed();
      },
      /was not asked for/,
    ],
    [
      'that says nonsense',
      () => {
        socket.send(Buffer.alloc(64, 0xff));
        driver.heed();
      },
      /version 1/,
    ],
  ])('refuses a device %s', (_what, act, expected) => {
    expect(act).toThrow(expected);
  });
});
