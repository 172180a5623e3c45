// Which of a pod's prefixes another manager is told of.
import { describe, expect, it } from 'vitest';
import { inTheWayOf } from './allocation.js';

describe('the prefixes that travel', () => {
  it('are those that overlap what may be given out', () => {
    const routed = [
      '10.60.3.0/24',
      '192.168.0.0/16',
      'fd60:0:0:5::/64',
      'fd61::/48',
      '10.0.0.0/8',
      '172.16.0.0/12',
    ];
    expect(inTheWayOf(['10.60.0.0/16', 'fd60::/48'], routed)).toEqual(['10.0.0.0/8', 'fd60:0:0:5::/64']);
  });

  it('do not lie within each other, and are never hidden by a default route, which excludes nothing', () => {
    const routed = [
      '0.0.0.0/1',
      '10.60.3.0/24',
      '10.60.3.7/32',
      '10.60.4.0/24',
      '10.60.2.0/23',
      '::/0',
      'fd60::1/128',
    ];
    expect(inTheWayOf(['10.60.0.0/16', 'fd60::/48'], routed)).toEqual([
      '0.0.0.0/1',
      '10.60.2.0/23',
      '10.60.4.0/24',
      '::/0',
      'fd60::1/128',
    ]);
  });

  it('are few, of however many', () => {
    const routed = Array.from({ length: 20_000 }, (_, n) => `172.16.${n >> 8}.${n & 255}/32`);
    expect(inTheWayOf(['10.60.0.0/16'], [...routed, '10.60.1.0/24'])).toEqual(['10.60.1.0/24']);
  });
});
