// A device of ours and a driver written here by hand, which keeps to the rules or does not.
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { libc, memory, UnixListener, UnixSocket } from '@nsm/netlink';
import { waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryShares, newUse, useIn } from '../tap/memory-shares.js';
import type { Moved, Queues } from '../tap/session.js';
import { VhostDevice } from './vhost-device.js';
import {
  decodeNumber,
  encodeMessage,
  encodeNumber,
  encodeRegions,
  encodeRingAddresses,
  encodeRingNumber,
  features,
  headerSize,
  messageSize,
  type Request,
  requests,
} from './vhost-messages.js';

const size = 0x10_0000;
/** Where the driver says its memory is, and where in it are the parts of ring `index`, and buffers. */
const guest = 0x1_0000_0000;
const user = 0x7000_0000_0000;
const ringSize = 8;
const place = (index: number) => ({
  descriptors: index * 0x1000,
  available: index * 0x1000 + 0x400,
  used: index * 0x1000 + 0x800,
});
const buffers = 0x1_0000;
const [next, writable, indirect] = [1, 2, 4];
/** One huge page; the driver lends half of it. */
const mappedSize = 2 * size;
const MFD_HUGETLB = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const overcommit = '/proc/sys/vm/nr_overcommit_hugepages';

describe('vhost-user device', () => {
  let folder: string;
  let listener: UnixListener;
  let driver: UnixSocket;
  let device: VhostDevice;
  let descriptorsBefore: number;
  const opened: number[] = [];
  let use: Float64Array;
  let shares: MemoryShares;
  const mapped: number[] = [];
  const open = (fd: number): number => {
    expect(fd).toBeGreaterThanOrEqual(0);
    opened.push(fd);
    return fd;
  };

  beforeEach(() => {
    descriptorsBefore = readdirSync('/proc/self/fd').length;
    folder = mkdtempSync(join(tmpdir(), 'nsmt-vhost-'));
    listener = new UnixListener(join(folder, 'socket'), 'stream');
    driver = UnixSocket.connect(join(folder, 'socket'), messageSize, 'stream');
    const socket = listener.accept(messageSize)!;
    use = newUse();
    shares = new MemoryShares({ sharedMemoryMib: 64, userFactor: 4 }, use);
    const settings = { role: 'server', queues: 1, ringSize, largestFrame: 1518 } as const;
    device = new VhostDevice(socket, settings, shares.of({ pod: 'pod', uid: 0 }));
  });
  afterEach(async () => {
    device.close();
    driver.close();
    listener.close();
    for (const address of mapped.splice(0)) memory.munmap(address, mappedSize);
    for (const fd of opened.splice(0)) libc.close(fd);
    rmSync(folder, { recursive: true });
    await vi.waitFor(() => expect(readdirSync('/proc/self/fd').length).toBe(descriptorsBefore));
  });

  const send = (
    number: number,
    payload: Buffer = Buffer.alloc(0),
    fds: readonly number[] = [],
    flags = 1,
  ): void => {
    const bytes = encodeMessage(number, payload);
    bytes.writeUInt32LE(flags, 4);
    driver.send(bytes, fds);
  };
  const say = (request: Request, payload?: Buffer, fds?: readonly number[]): void => {
    send(requests[request], payload, fds);
    device.heed();
  };
  const hear = async (): Promise<bigint> => {
    const packet = await waitFor(() => {
      const heard = driver.receive(headerSize + 8);
      return heard === 'nothing' ? undefined : heard;
    });
    return decodeNumber(packet.data.subarray(headerSize));
  };
  const makeMemory = (flags = 0): number => {
    const fd = open(memory.memfdCreate('driver', flags));
    expect(memory.ftruncate(fd, mappedSize)).toBe(0);
    return fd;
  };
  const region = (length = size) => encodeRegions([{ guest, size: length, user, offset: 0 }]);
  const ringAddresses = (index: number, change: object = {}) => {
    const { descriptors, available, used } = { ...place(index), ...change };
    const at = (offset: number): number => user + offset;
    return encodeRingAddresses({
      index,
      descriptors: at(descriptors),
      available: at(available),
      used: at(used),
    });
  };
  const eventfd = (): number => open(libc.eventfd(0, libc.EFD_CLOEXEC | libc.EFD_NONBLOCK));

  /** A driver that keeps to the rules. */
  const lend = (flags = 0, agreed: bigint = features.version1 | features.mergeableBuffers) => {
    const fd = makeMemory(flags);
    const calls = [eventfd(), eventfd()];
    say('setFeatures', encodeNumber(agreed));
    say('setMemTable', region(), [fd]);
    for (const index of [0, 1]) {
      say('setVringNum', encodeRingNumber({ index, value: ringSize }));
      say('setVringAddr', ringAddresses(index));
      say('setVringCall', encodeNumber(index), [calls[index]!]);
      say('setVringKick', encodeNumber(index), [eventfd()]);
    }
    return new Driver(fd, calls);
  };
  const queues = (): Queues => {
    expect(device.queues).toBeDefined();
    return device.queues!;
  };
  const counter = (): Moved => ({ packets: 0, bytes: 0, drops: 0 });
  /** A file in the place of the TAP device. */
  const file = (content = ''): { fd: number; content(): string } => {
    const path = join(folder, `file${opened.length}`);
    writeFileSync(path, content);
    return { fd: open(openSync(path, 'r+')), content: () => readFileSync(path, 'latin1') };
  };

  /** The driver's side of its rings. */
  class Driver {
    readonly fd: number;
    readonly calls: readonly number[];
    readonly #bytes: Buffer;
    #available = [0, 0];
    constructor(fd: number, calls: readonly number[]) {
      this.fd = fd;
      this.calls = calls;
      const address = memory.mmap(null, mappedSize, PROT_READ_WRITE, MAP_SHARED, fd, 0);
      expect(address).toBeGreaterThan(0);
      mapped.push(address);
      this.#bytes = Buffer.from(memory.viewOf(address, mappedSize));
    }
    write(at: number, bytes: Uint8Array): void {
      this.#bytes.set(bytes, at);
    }
    read(at: number, length: number): Buffer {
      return Buffer.from(this.#bytes.subarray(at, at + length));
    }
    describe(index: number, id: number, address: number, length: number, flags = 0, following = 0): void {
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(BigInt(address), 0);
      bytes.writeUInt32LE(length, 8);
      bytes.writeUInt16LE(flags, 12);
      bytes.writeUInt16LE(following, 14);
      this.write(place(index).descriptors + 16 * id, bytes);
    }
    offer(index: number, head: number, count = 1, flags = 0): void {
      const slot = this.#available[index]! % ringSize;
      this.write(place(index).available + 4 + 2 * slot, Buffer.from([head, head >> 8]));
      this.#available[index]! += count;
      const counted = Buffer.alloc(4);
      counted.writeUInt16LE(flags, 0);
      counted.writeUInt16LE(this.#available[index]! & 0xffff, 2);
      this.write(place(index).available, counted);
    }
    used(index: number): { flags: number; count: number; entries: [number, number][] } {
      const bytes = this.read(place(index).used, 4 + 8 * ringSize);
      const count = bytes.readUInt16LE(2);
      return {
        flags: bytes.readUInt16LE(0),
        count,
        entries: Array.from({ length: Math.min(count, ringSize) }, (_, n) => [
          bytes.readUInt32LE(4 + 8 * n),
          bytes.readUInt32LE(8 + 8 * n),
        ]),
      };
    }
    called(index: number): boolean {
      return libc.read(this.calls[index]!, Buffer.alloc(8), 8) === 8;
    }
  }

  const huge = (): { flags: number; putBack(): void } | undefined => {
    try {
      const before = readFileSync(overcommit, 'utf8');
      writeFileSync(overcommit, '8');
      return { flags: MFD_HUGETLB, putBack: () => writeFileSync(overcommit, before) };
    } catch {
      return undefined;
    }
  };

  describe.each(['pages', 'huge pages'])('with memory of %s', (kind) => {
    let pages: ReturnType<typeof huge>;
    beforeEach(({ skip }) => {
      if (kind === 'pages') return;
      pages = huge();
      if (!pages) skip('huge pages need root');
    });
    afterEach(() => pages?.putBack());
    const lendHere = (agreed?: bigint) => lend(kind === 'pages' ? 0 : pages!.flags, agreed);

    it('takes packets of one and of several pieces, and gives back their buffers', () => {
      const driver = lendHere();
      const { fd, content } = file();
      driver.write(buffers, Buffer.from(`${'\0'.repeat(12)}one,`));
      driver.write(buffers + 0x100, Buffer.alloc(12));
      driver.write(buffers + 0x200, Buffer.from('tw'));
      driver.write(buffers + 0x300, Buffer.from('o'));
      driver.describe(1, 0, guest + buffers, 16);
      driver.describe(1, 1, guest + buffers + 0x100, 12, next, 5);
      driver.describe(1, 5, guest + buffers + 0x200, 2, next, 2);
      driver.describe(1, 2, guest + buffers + 0x300, 1);
      driver.offer(1, 0);
      driver.offer(1, 1);
      const moved = counter();
      expect(queues().receive[0]!.drainTo(fd, 256, moved)).toBe(false);
      expect(content()).toBe('one,two');
      expect(moved).toEqual({ packets: 2, bytes: 7, drops: 0 });
      expect(driver.used(1)).toEqual({
        flags: 0,
        count: 2,
        entries: [
          [0, 0],
          [1, 0],
        ],
      });
      expect(driver.called(1)).toBe(true);
    });

    it('gives packets in as many buffers as they need', () => {
      const driver = lendHere();
      for (const id of [0, 1, 2, 3]) {
        driver.describe(0, id, guest + buffers + id * 0x1000, 600, writable);
        driver.offer(0, id);
      }
      const moved = counter();
      expect(queues().send.fillFrom(file('x'.repeat(1000)).fd, 256, moved)).toBe('full');
      expect(moved).toEqual({ packets: 1, bytes: 1000, drops: 0 });
      expect(driver.used(0)).toMatchObject({
        count: 2,
        entries: [
          [0, 600],
          [1, 412],
        ],
      });
      // The header says that the packet takes two buffers.
      expect(driver.read(buffers, 13)).toEqual(Buffer.from('00000000000000000000020078', 'hex'));
      expect(driver.called(0)).toBe(true);
    });

    it('outlives memory that is taken away', () => {
      const driver = lendHere();
      const { fd } = file('x');
      const { receive, send } = queues();
      driver.describe(0, 0, guest + buffers, 2048, writable);
      driver.offer(0, 0);
      driver.describe(1, 0, guest + buffers, 16);
      driver.offer(1, 0);
      expect(memory.ftruncate(driver.fd, 0)).toBe(0);
      expect(() => receive[0]!.drainTo(fd, 256, counter())).toThrow(/taken its memory away/);
      expect(() => send.fillFrom(fd, 256, counter())).toThrow(/taken its memory away/);
    });
  });

  it('outlives buffers that are taken away while the rings stay', () => {
    const driver = lend();
    const moved = counter();
    driver.describe(1, 0, guest + size - 0x1000, 16);
    driver.offer(1, 0);
    expect(memory.ftruncate(driver.fd, buffers)).toBe(0);
    queues().receive[0]!.drainTo(file().fd, 256, moved);
    expect(moved).toEqual({ packets: 0, bytes: 0, drops: 1 });
    driver.describe(0, 0, guest + size - 0x1000, 2048, writable);
    driver.offer(0, 0);
    expect(() => queues().send.fillFrom(file('x').fd, 256, moved)).toThrow(/taken its memory away/);
  });

  it('serves a driver from before virtio 1, whose headers are shorter', () => {
    const driver = lend(0, 0n);
    driver.write(buffers, Buffer.from(`${'\0'.repeat(10)}sent`));
    driver.describe(1, 0, guest + buffers, 14);
    driver.offer(1, 0);
    driver.describe(0, 0, guest + buffers + 0x1000, 2048, writable);
    driver.offer(0, 0);
    const { fd, content } = file();
    queues().receive[0]!.drainTo(fd, 256, counter());
    expect(content()).toBe('sent');
    queues().send.fillFrom(file('got').fd, 256, counter());
    expect(driver.read(buffers + 0x1000, 14)).toEqual(Buffer.from(`${'\0'.repeat(10)}got\0`));
  });

  it('neither wakes a driver that polls, nor lets it wake when there is more', () => {
    const driver = lend();
    driver.write(buffers, Buffer.alloc(64));
    driver.describe(1, 0, guest + buffers, 64);
    for (let n = 0; n < 3; n++) driver.offer(1, 0, 1, 1);
    const [receive] = queues().receive;
    const { fd } = file();
    expect(receive!.drainTo(fd, 2, counter())).toBe(true);
    expect(driver.used(1)).toMatchObject({ flags: 1, count: 2 });
    expect(receive!.drainTo(fd, 2, counter())).toBe(false);
    expect(driver.used(1)).toMatchObject({ flags: 0, count: 3 });
    expect(driver.called(1)).toBe(false);
  });

  it('counts beyond what a byte and two can count', () => {
    const driver = lend();
    driver.write(buffers, Buffer.alloc(64));
    driver.describe(1, 0, guest + buffers, 64);
    const { fd } = file();
    const moved = counter();
    for (let n = 0; n < 0x1_0010; n++) {
      driver.offer(1, 0);
      if (n % 7 === 6) queues().receive[0]!.drainTo(fd, 256, moved);
    }
    queues().receive[0]!.drainTo(fd, 256, moved);
    expect(moved).toMatchObject({ packets: 0x1_0010, drops: 0 });
    expect(driver.used(1).count).toBe(0x10);
    // A device that takes its place goes on there.
    say('getVringBase', encodeRingNumber({ index: 1, value: 0 }));
    expect(device.queues).toBeUndefined();
    say('setVringKick', encodeNumber(1), [eventfd()]);
    driver.offer(1, 0);
    queues().receive[0]!.drainTo(fd, 256, moved);
    expect(moved.packets).toBe(0x1_0011);
  });

  it.each<[string, (driver: Driver) => void]>([
    ['outside of the memory', (driver) => driver.describe(1, 0, guest - 8, 64)],
    ['beyond its end', (driver) => driver.describe(1, 0, guest + size - 8, 64)],
    ['of more than there is', (driver) => driver.describe(1, 0, guest, 0xffff_ffff)],
    ['for the device to write', (driver) => driver.describe(1, 0, guest, 64, writable)],
    ['of descriptors', (driver) => driver.describe(1, 0, guest, 64, indirect)],
    ['without an end', (driver) => driver.describe(1, 0, guest, 64, next, 0)],
    ['with nothing but a header', (driver) => driver.describe(1, 0, guest, 12)],
  ])('drops and counts a packet %s, and goes on', (_what, spoil) => {
    const driver = lend();
    const moved = counter();
    spoil(driver);
    driver.offer(1, 0);
    driver.describe(1, 1, guest + buffers, 64);
    driver.offer(1, 1);
    queues().receive[0]!.drainTo(file().fd, 256, moved);
    expect(moved).toEqual({ packets: 1, bytes: 52, drops: 1 });
    expect(driver.used(1)).toMatchObject({ count: 2 });
  });

  it('drops and counts what is too large for a driver that takes no packet in pieces', () => {
    const driver = lend(0, features.version1);
    driver.describe(0, 0, guest + buffers, 512, writable);
    driver.offer(0, 0);
    const moved = counter();
    expect(queues().send.fillFrom(file('x'.repeat(501)).fd, 256, moved)).toBe('empty');
    expect(moved).toEqual({ packets: 0, bytes: 0, drops: 1 });
    expect(queues().send.fillFrom(file('x'.repeat(500)).fd, 256, moved)).toBe('full');
    expect(moved).toEqual({ packets: 1, bytes: 500, drops: 1 });
  });

  it.each<[string, (driver: Driver) => void, RegExp]>([
    ['a count that cannot be', (driver) => driver.offer(1, 0, ringSize + 1), /more buffers than the ring/],
    ['a descriptor that is none', (driver) => driver.offer(1, ringSize), /outside of the ring/],
    ['a buffer to be written that is outside', (driver) => driver.offer(0, 0), /outside of the memory/],
  ])('ends with %s', (_what, spoil, expected) => {
    const driver = lend();
    driver.describe(0, 0, guest + size, 2048, writable);
    spoil(driver);
    const { receive, send } = queues();
    const { fd } = file('x');
    expect(() => {
      receive[0]!.drainTo(fd, 256, counter());
      send.fillFrom(fd, 256, counter());
    }).toThrow(expected);
  });

  const withMemory = (): void => {
    say('setFeatures', encodeNumber(features.version1));
    say('setMemTable', region(), [makeMemory()]);
  };
  const ring = (value: number, addresses: Buffer): void => {
    withMemory();
    say('setVringNum', encodeRingNumber({ index: 0, value }));
    say('setVringAddr', addresses);
    say('setVringKick', encodeNumber(0), [eventfd()]);
  };
  it.each<[string, () => void, RegExp]>([
    ['an unknown request', () => send(99), /request 99, which was not agreed on/],
    ['a log of what is written', () => send(6, Buffer.alloc(16)), /request 6, which was not agreed on/],
    ['another version', () => send(1, Buffer.alloc(0), [], 2), /version 1/],
    ['a message too large', () => send(5, Buffer.alloc(4000)), /of 4000 bytes/],
    ['a message too short', () => send(2, Buffer.alloc(4)), /4 bytes where 8 are needed/],
    ['features not offered', () => say('setFeatures', encodeNumber(1n << 26n)), /not offered/],
    ['no memory', () => say('setMemTable', Buffer.alloc(8)), /0 regions/],
    ['memory without descriptor', () => say('setMemTable', region()), /without its descriptor/],
    ['a file', () => say('setMemTable', region(), [open(openSync('/etc/passwd', 'r'))]), /no file in memory/],
    ['less than said', () => say('setMemTable', region(4 * size), [makeMemory()]), /smaller than announced/],
    [
      'memory without end',
      () => say('setMemTable', region(2 ** 40), [makeMemory()]),
      /limit of a pod: 64 MiB of shared memory/,
    ],
    ['a ring too many', () => say('setVringNum', encodeRingNumber({ index: 2, value: 8 })), /ring 2 of 2/],
    ['a ring of an odd size', () => ring(3, ringAddresses(0)), /a ring of 3 descriptors/],
    ['a ring without end', () => ring(2 ** 31, ringAddresses(0)), /a ring of 2147483648/],
    ['a ring elsewhere', () => ring(8, ringAddresses(0, { used: size - 8 })), /outside of the memory/],
    ['a ring out of line', () => ring(8, ringAddresses(0, { used: 0x802 })), /out of alignment/],
    [
      'a kick that is none',
      () => say('setVringKick', encodeNumber(0), [makeMemory()]),
      /descriptor is no eventfd/,
    ],
    ['no kick', () => say('setVringKick', encodeNumber(0)), /without its descriptor/],
    ['never a kick', () => say('setVringKick', encodeNumber(0x100)), /would have to be polled/],
    ['its end', () => driver.close(), /closed the connection/],
  ])('ends with %s, and keeps nothing', (_what, act, expected) => {
    expect(() => {
      act();
      device.heed();
    }).toThrow(expected);
  });

  it('counts the memory that it has now, and gives all back at its end', () => {
    const large = 40 * size;
    const lend = (): void => {
      const fd = open(memory.memfdCreate('driver', 0));
      expect(memory.ftruncate(fd, large)).toBe(0);
      say('setMemTable', region(large), [fd]);
    };
    for (let n = 0; n < 3; n++) lend();
    expect(useIn(use)).toMatchObject({ most: 40, refused: 0 });
    device.close();
    const fd = open(memory.memfdCreate('other', 0));
    shares.of({ pod: 'pod', uid: 0 }).take(fd, 64 * size)();
  });

  it('tells a driver that wants to know, and goes on', async () => {
    const needReply = 1 | 8;
    say('getFeatures');
    expect(((await hear()) & features.protocolFeatures) !== 0n).toBe(true);
    say('getProtocolFeatures');
    const offered = await hear();
    say('setProtocolFeatures', encodeNumber(offered));
    send(requests.setFeatures, encodeNumber(features.version1), [], needReply);
    send(6, Buffer.alloc(16), [], needReply);
    send(99, Buffer.alloc(0), [], needReply);
    device.heed();
    expect([await hear(), await hear(), await hear()]).toEqual([0n, 1n, 1n]);
  });

  it('takes messages in pieces, and descriptors with their own', () => {
    const bytes = Buffer.concat([
      encodeMessage(requests.setFeatures, encodeNumber(features.version1)),
      encodeMessage(requests.setOwner, Buffer.alloc(0)),
    ]);
    for (const byte of bytes) {
      driver.send(Buffer.from([byte]));
      device.heed();
    }
    withMemory();
    expect(device.queues).toBeUndefined();
  });
});
