// Addresses of a segment: which there are, that no two clients share one, and that each gets its own again.
import type { EndpointRequest } from '@nsm/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SegmentAddresses } from './segment-addresses.js';

const request = (requestId: string): EndpointRequest => ({
  requestId,
  service: 's',
  interface: 'kernel',
  interfaceParameters: {},
  labels: {},
  connectionId: '',
  interfaceName: '',
  mac: '',
  mtu: 0,
  maxMtu: 0,
});

describe('SegmentAddresses', () => {
  it.each([
    ['10.70.0.0/24', '10.70.0.1/24', 253],
    ['10.70.0.128/25', '10.70.0.129/25', 125],
    ['10.70.0.7/30', '10.70.0.5/30', 1],
    ['FD70:0::7/64', 'fd70::1/64', 65_536],
    ['fd70::8/126', 'fd70::9/126', 2],
  ])('%s is %s with room for %i', (prefix, own, size) => {
    expect(new SegmentAddresses(prefix)).toMatchObject({ own, size });
  });

  it.each(['10.70.0.0/31', '10.70.0.0/32', 'fd70::/127'])('%s has no room', (prefix) => {
    expect(() => new SegmentAddresses(prefix)).toThrow(/has no room for clients/);
  });

  it('gives every client another, up to the last, and what is released again', () => {
    const segment = new SegmentAddresses('10.70.0.0/28');
    const taken = Array.from({ length: segment.size }, (_, n) => segment.take(request(`client-${n}`)));
    expect(taken.toSorted()).toEqual(Array.from({ length: 13 }, (_, n) => `10.70.0.${n + 2}/28`).toSorted());
    expect(segment.take(request('one more'))).toBeUndefined();
    segment.release(request('client-3'));
    expect(segment.take(request('one more'))).toBe(taken[3]);
  });

  it('gives a client the same again, also to a segment that has forgotten', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const [first, second] = ['fd70::/64', 'fd70::/64'].map((prefix) => new SegmentAddresses(prefix));
        const address = first?.take(request(id));
        expect(first?.take(request(id))).toBe(address);
        expect(second?.take(request(id))).toBe(address);
      }),
    );
  });
});
