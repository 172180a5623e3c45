// What the real kernel says of drivers and virtual functions, with ethtool(8) as oracle.
import { leaks, requireRoot, run, withNamespaces } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import type { VfChanges } from './virtual-functions.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('devices'))('devices', () => {
  it('driver and bus address', async () => {
    await withNamespaces(['a'], async ({ name, route }) => {
      route.addLink({ kind: 'veth', name: 'v', peer: { name: 'w' } });
      route.addLink({ kind: 'tap', name: 't' });
      for (const device of ['v', 't']) {
        const shown = await run(name, 'ethtool', ['-i', device]);
        const field = (key: string): string => new RegExp(`^${key}: ?(.*)$`, 'm').exec(shown)?.[1] ?? '';
        expect(route.driverInfo(device)).toEqual({ driver: field('driver'), bus: field('bus-info') });
      }
      expect(route.driverInfo('v')?.driver).toBe('veth');
      expect(route.driverInfo('gone')).toBeUndefined();
    });
  });

  const settings: readonly Omit<VfChanges, 'index'>[] = [
    { mac: '02:11:22:33:44:55' },
    { vlan: { id: 100, qos: 5 } },
    { vlan: { id: 100, protocol: '802.1ad' } },
    { rate: { min: 0, max: 1000 } },
    { spoofCheck: true },
    { trust: true },
    { linkState: 'enable' },
  ];
  it.each(settings)(
    '%o of a virtual function passes the kernel’s parser and reaches the driver, which has none',
    async (setting) => {
      await withNamespaces(['a'], async ({ route }) => {
        route.addLink({ kind: 'veth', name: 'v', peer: { name: 'w' } });
        // Malformed it would be EINVAL or ERANGE: the kernel looks at the form first.
        expect(() => route.setLink('v', { virtualFunctions: [{ index: 0, ...setting }] })).toThrow(
          expect.objectContaining({ code: 'EOPNOTSUPP' }),
        );
        expect(route.virtualFunctions('v')).toEqual([]);
        expect(route.link('v')?.permanentMac).toBeUndefined();
      });
    },
  );

  it('lifetimes of addresses', async () => {
    await withNamespaces(['a'], async ({ route }) => {
      route.addLink({ kind: 'veth', name: 'v', up: true, peer: { name: 'w' } });
      const { index } = route.link('v')!;
      route.addAddress(index, { address: '10.0.0.1/24', validLifetime: 1000, preferredLifetime: 500 });
      route.addAddress(index, { address: '10.0.1.1/24' });
      const [short, long] = route.addresses({ index, family: 'ipv4' });
      expect(short?.validLifetime).toBeGreaterThan(900);
      expect(short?.preferredLifetime).toBeLessThan(501);
      expect(long).toMatchObject({ validLifetime: undefined, preferredLifetime: undefined });
    });
  });
});
