import { describe, expect, it } from 'vitest';
import { interfaceBlock, packetBlock, sectionHeader, statisticsBlock } from './pcapng.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('pcapng', () => {
  it('begins with a section of unknown length', () =>
    // Type, length, byte order, version 1.0, length −1; comment, application, each padded; end of options; length again.
    expect(hex(sectionHeader('nsm', 'abcd'))).toBe(
      '0a0d0d0a' +
        '30000000' +
        '4d3c2b1a' +
        '01000000' +
        'ffffffffffffffff' +
        '0100040061626364' +
        '040003006e736d00' +
        '00000000' +
        '30000000',
    ));

  it('says of an interface that times are nanoseconds, and leaves out what is empty', () =>
    expect(hex(interfaceBlock({ name: 'a', description: '', comment: '', snapLength: 256 }))).toBe(
      '01000000' +
        '28000000' +
        '01000000' +
        '00010000' +
        '0200010061000000' +
        '0900010009000000' +
        '00000000' +
        '28000000',
    ));

  it('pads packets to 32 bits, and tells their direction', () => {
    const packet = { interface: 2, timeNs: 0x1_0000_0002n, length: 1500, data: Uint8Array.of(1, 2, 3, 4, 5) };
    const block = (flags: string): string =>
      '06000000' +
      '34000000' +
      '02000000' +
      '01000000' +
      '02000000' +
      '05000000' +
      'dc050000' +
      '0102030405000000' +
      `02000400${flags}` +
      '00000000' +
      '34000000';
    expect(hex(packetBlock({ ...packet, outgoing: true }))).toBe(block('02000000'));
    expect(hex(packetBlock({ ...packet, outgoing: false }))).toBe(block('01000000'));
  });

  it('ends with what was dropped', () =>
    expect(hex(statisticsBlock(1, 7n, 9n))).toBe(
      '05000000' +
        '28000000' +
        '01000000' +
        '00000000' +
        '07000000' +
        '0500080009000000' +
        '00000000' +
        '00000000' +
        '28000000',
    ));
});
