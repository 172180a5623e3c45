// The questions by which a node tells another its hardware address, byte by byte as RFC 826 and RFC 4861 have them.
import { describe, expect, it } from 'vitest';
import { question } from './announcer.js';

const hex = (...parts: readonly string[]): Buffer => Buffer.from(parts.join(''), 'hex');

describe('a question for another node’s address', () => {
  it('over IPv4 is an ARP request, to all or to one', () => {
    const request = ['0806', '0001080006040001', '020000000001', '0a090001', '000000000000', '0a090002'];
    expect(question('10.9.0.1', '10.9.0.2', '02:00:00:00:00:01')).toEqual(
      hex('ffffffffffff', '020000000001', ...request),
    );
    expect(question('10.9.0.1', '10.9.0.2', '02:00:00:00:00:01', '02:00:00:00:00:02')).toEqual(
      hex('020000000002', '020000000001', ...request),
    );
  });

  it('over IPv6 is a neighbour solicitation to the solicited-node multicast address', () => {
    expect(question('fd09::1', 'fd09::2', '02:00:00:00:00:01')).toEqual(
      hex(
        ...['3333ff000002', '020000000001', '86dd', '60000000', '0020', '3a', 'ff'],
        ...['fd090000000000000000000000000001', 'ff0200000000000000000001ff000002'],
        // The checksum, RFC 1071, of the pseudo header and of this: the words' sum is 0x827a.
        ...['8700', '7d85', '00000000', 'fd090000000000000000000000000002', '0101', '020000000001'],
      ),
    );
  });
});
