// The address given to other managers where nobody says which.
import { describe, expect, it } from 'vitest';
import { advertisedAddress } from './advertised-address.js';

const at = (address: string, internal = false) => ({ address, internal });
const devices = {
  lo: [at('127.0.0.1', true), at('::1', true)],
  docker0: [at('172.17.0.1')],
  eth0: [at('fe80::1'), at('2001:db8::1'), at('192.0.2.1')],
};

describe('advertisedAddress', () => {
  it.each([
    ['192.0.2.7:5001', 'eth0', '192.0.2.7:5001'],
    ['[2001:db8::7]:5001', 'eth0', '[2001:db8::7]:5001'],
    ['0.0.0.0:5001', 'eth0', '192.0.2.1:5001'],
    ['[::]:5001', 'eth0', '192.0.2.1:5001'],
    ['0.0.0.0:5001', '', '172.17.0.1:5001'],
  ])('for %s with the default route by %s is %s', (listen, device, expected) => {
    expect(advertisedAddress(listen, devices, device)).toBe(expected);
  });

  it('is IPv6 where there is nothing else, and loopback where there is nothing', () => {
    expect(advertisedAddress('0.0.0.0:1', { eth0: [at('2001:db8::1')] }, 'eth0')).toBe('[2001:db8::1]:1');
    expect(advertisedAddress('0.0.0.0:1', { lo: devices.lo }, undefined)).toBe('127.0.0.1:1');
  });
});
