// The values of --hw-pool and --sriov-pool, good and bad.
import { describe, expect, it } from 'vitest';
import { parseHwPool, parseSriovPool } from './device-pool-flag.js';

describe('--hw-pool', () => {
  it.each([
    ['lab?name=ens*', { name: 'lab', match: { name: 'ens*' } }],
    [
      'lab?name=ens*&driver=ixgbe&pci=0000:3b:*',
      { name: 'lab', match: { name: 'ens*', driver: 'ixgbe', pci: '0000:3b:*' } },
    ],
  ])('reads %s', (text, pool) => expect(parseHwPool(text)).toEqual(pool));

  it.each([
    '',
    'lab',
    'lab?',
    '?name=x',
    'lab?name=',
    'lab?pf=x',
    'lab?name=x&vlan=3',
    'a b?name=x',
    'a?name=b?c',
  ])('refuses "%s"', (text) => expect(() => parseHwPool(text)).toThrow(/Write NAME\?KEY=PATTERN/));
});

describe('--sriov-pool', () => {
  it.each([
    ['fast?pf=ens1f0', { name: 'fast', match: { name: 'ens1f0' }, settings: {} }],
    [
      'fast?pf=ens1*&driver=mlx5_core&vlan=100&vlan-priority=5&vlan-protocol=802.1ad&spoof-check=on&trust=off' +
        '&min-rate=100&max-rate=1000&link-state=enable',
      {
        name: 'fast',
        match: { name: 'ens1*', driver: 'mlx5_core' },
        settings: {
          vlan: { id: 100, qos: 5, protocol: '802.1ad' },
          spoofCheck: true,
          trust: false,
          rate: { min: 100, max: 1000 },
          linkState: 'enable',
        },
      },
    ],
    [
      'fast?pci=*&max-rate=10',
      { name: 'fast', match: { pci: '*' }, settings: { rate: { min: 0, max: 10 } } },
    ],
  ])('reads %s', (text, pool) => expect(parseSriovPool(text)).toEqual(pool));

  it.each([
    'fast?vlan=100',
    'fast?pf=a&vlan=4095',
    'fast?pf=a&vlan-priority=3',
    'fast?pf=a&trust=yes',
    'fast?pf=a&link-state=up',
    'fast?pf=a&max-rate=fast',
    'fast?pf=a&mtu=9000',
  ])('refuses "%s"', (text) => expect(() => parseSriovPool(text)).toThrow(/Write NAME\?KEY=VALUE/));
});
