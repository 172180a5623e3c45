// What every registry must do: each implementation runs this suite against itself.
import { thorough } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { endpointKey } from '../records/valid-record.js';
import {
  contents,
  endpoint,
  type Harness,
  leaseMs,
  nodeA,
  nodeB,
  record,
  until,
  useHarness,
} from './compliance-harness.js';
import { outages } from './compliance-outages.js';
import { refusals } from './compliance-refusals.js';

export interface ComplianceOptions {
  /** Whether the records can be away while a client lives. Default: true. */
  readonly canBeAway?: boolean;
  /** What thousands of writes may take, milliseconds. Default: 30000. */
  readonly patienceMs?: number;
}

export function compliance(
  name: string,
  setUp: () => Promise<Harness>,
  { canBeAway = true, patienceMs = 30_000 }: ComplianceOptions = {},
): void {
  describe(`${name} as a registry`, () => {
    const stage = useHarness(setUp);
    const { open, openTwo } = stage;

    describe('records', () => {
      it('shows each client what the other writes, replaces and removes', async () => {
        const [one, two] = await openTwo();
        expect(one.synced && two.synced).toBe(true);
        await one.registerManager(nodeA, leaseMs);
        await one.registerEndpoint(endpoint('fw-1'));
        await two.registerEndpoint(
          endpoint('fw-2', { networkServiceName: 'vpn', networkServiceHost: 'node-b' }),
        );
        for (const each of [one, two]) {
          await until(each, () => each.managers().size === 1 && [...each.endpoints()].length === 2);
          expect(each.managers().get('node-a')).toMatchObject({ ...nodeA, alive: true });
          expect(each.endpointsOf('firewall').map(endpointKey)).toEqual(['firewall/default/fw-1']);
          expect(each.endpointsOf('vpn')).toMatchObject([{ networkServiceHost: 'node-b' }]);
          expect(each.endpointsOf('no-such')).toEqual([]);
        }
        await two.registerEndpoint(endpoint('fw-1', { socketLocation: '/elsewhere' }));
        await until(one, () => one.endpointsOf('firewall')[0]?.socketLocation === '/elsewhere');
        await two.removeEndpoint(endpoint('fw-1', { networkServiceHost: 'node-z' }));
        expect(one.endpointsOf('firewall')).toHaveLength(1);
        await two.removeEndpoint(endpoint('fw-1'));
        await until(one, () => one.endpointsOf('firewall').length === 0);
        await two.removeEndpoint(endpoint('fw-1'));
      });

      it('shows a manager that stops as stopped at once, with all that is its own, until it is back', async () => {
        const [one, two] = await openTwo();
        await one.registerManager(nodeA, leaseMs);
        await one.registerEndpoint(endpoint('fw-1'));
        expect(await one.claim('vni-5', 'node-a')).toBe('node-a');
        await one.endLease('node-a');
        await one.endLease('nobody');
        await until(two, () => two.managers().get('node-a')?.stopped === true);
        expect(two.managers().get('node-a')?.alive).toBe(false);
        expect(two.endpointsOf('firewall')).toHaveLength(1);
        expect(await two.claim('vni-5', 'node-b')).toBe('node-a');
        // Its name is free for another address without waiting for the lease.
        await two.registerManager({ ...nodeA, address: '10.0.0.9:5001' }, leaseMs);
        await until(one, () => one.managers().get('node-a')?.alive === true);
        expect(one.managers().get('node-a')).toMatchObject({ address: '10.0.0.9:5001', stopped: false });
      });

      it('takes the empty namespace for "default", and other namespaces apart', async () => {
        const one = await open();
        await one.registerEndpoint(endpoint('fw', { nseProviderNamespace: '' }));
        await one.registerEndpoint(endpoint('fw', { nseProviderNamespace: 'default' }));
        await one.registerEndpoint(endpoint('fw', { nseProviderNamespace: 'other' }));
        await until(one, () => one.endpointsOf('firewall').length === 2);
        await one.removeEndpoint({
          networkServiceName: 'firewall',
          nseProviderName: 'fw',
          nseProviderNamespace: '',
        });
        await until(one, () => one.endpointsOf('firewall').length === 1);
        expect(one.endpointsOf('firewall')).toMatchObject([{ nseProviderNamespace: 'other' }]);
      });

      it('carries every field of an endpoint', async () => {
        const [one, two] = await openTwo();
        const full = endpoint('fw', {
          nseProviderNamespace: 'prod',
          labels: { selector: { zone: 'a.1', app: 'fw' } },
          prefixes: ['10.60.0.0/16', 'fd00::/64'],
        });
        await one.registerEndpoint(full);
        await until(two, () => two.endpointsOf('firewall').length === 1);
        expect(two.endpointsOf('firewall')[0]).toEqual(full);
      });

      it('removes a manager with its endpoints and claims, and only those', async () => {
        const [one, two] = await openTwo();
        await one.registerManager(nodeA, leaseMs);
        await two.registerManager(nodeB, leaseMs);
        await one.registerEndpoint(endpoint('fw-1'));
        await two.registerEndpoint(endpoint('fw-2', { networkServiceHost: 'node-b' }));
        expect(await one.claim('vni-5', 'node-a')).toBe('node-a');
        expect(await two.claim('vni-6', 'node-b')).toBe('node-b');
        await one.removeManager('node-a');
        await until(two, () => two.managers().size === 1 && [...two.endpoints()].length === 1);
        expect(contents(two)).toEqual([
          'firewall/default/fw-2 node-b /run/fw-2.sock',
          'node-b 10.0.0.2:5001 alive',
        ]);
        expect(await two.claim('vni-5', 'node-b')).toBe('node-b');
        expect(await one.claim('vni-6', 'node-a')).toBe('node-b');
        await one.removeManager('node-a');
      });

      it(
        'syncs thousands of endpoints',
        async () => {
          // More than a page, and than one message.
          const count = thorough ? 5000 : 1250;
          const one = await open();
          await one.registerManager(nodeA, 60_000);
          for (let n = 0; n < count; n += 250) {
            const names = Array.from({ length: 250 }, (_, k) => `fw-${n + k}`);
            await Promise.all(names.map((name) => one.registerEndpoint(endpoint(name))));
          }
          const two = await open();
          await until(two, () => two.endpointsOf('firewall').length === count);
          await until(one, () => one.endpointsOf('firewall').length === count);
        },
        patienceMs,
      );
    });

    describe('watching', () => {
      it('tells what is there, then that it was all, then changes', async () => {
        const [one, two] = await openTwo();
        await one.registerManager(nodeA, leaseMs);
        await one.registerEndpoint(endpoint('fw-1'));
        await until(two, () => two.managers().size === 1 && two.endpointsOf('firewall').length === 1);
        const heard = record(two);
        expect(heard).toEqual(['+node-a', '+firewall/default/fw-1', 'synced']);
        await one.registerEndpoint(endpoint('fw-2'));
        await one.registerEndpoint(endpoint('fw-2'));
        await one.removeEndpoint(endpoint('fw-1'));
        await one.removeManager('node-a');
        await until(two, () => heard.includes('-node-a'));
        expect(heard.slice(3)).toEqual([
          '+firewall/default/fw-2',
          '-firewall/default/fw-1',
          '-firewall/default/fw-2',
          '-node-a',
        ]);
      });

      it('is silent after disposal, and survives a listener that throws', async () => {
        const one = await open();
        let calls = 0;
        const watch = one.watch(() => calls++);
        watch[Symbol.dispose]();
        one.watch(() => {
          throw new Error('a bug in a listener');
        });
        const heard = record(one);
        await one.registerManager(nodeA, leaseMs);
        await until(one, () => heard.includes('+node-a'));
        expect(calls).toBe(1);
      });
    });

    describe('claims', () => {
      it('gives a contested name to exactly one holder', async () => {
        const [one, two] = await openTwo();
        const holders = Array.from({ length: 12 }, (_, n) => `node-${n}`);
        await Promise.all(
          holders.map((name) => one.registerManager({ name, address: '10.0.0.1:5001' }, 60_000)),
        );
        const winners = await Promise.all(
          holders.map((holder, n) => (n % 2 === 0 ? one : two).claim('the-name', holder)),
        );
        expect(new Set(winners).size).toBe(1);
        const winner = String(winners[0]);
        expect(holders).toContain(winner);
        expect(await one.claim('the-name', 'late')).toBe(winner);
        expect(await two.claim('the-name', winner)).toBe(winner);
      });

      it('is released by its holder only', async () => {
        const [one, two] = await openTwo();
        await one.registerManager(nodeA, 60_000);
        await two.registerManager(nodeB, 60_000);
        await one.claim('vni-7', 'node-a');
        await two.releaseClaim('vni-7', 'node-b');
        await two.releaseClaim('vni-unclaimed', 'node-b');
        expect(await two.claim('vni-7', 'node-b')).toBe('node-a');
        await one.releaseClaim('vni-7', 'node-a');
        expect(await two.claim('vni-7', 'node-b')).toBe('node-b');
      });

      it(
        'is given to no manager that is not alive',
        async () => {
          const [one, two] = await openTwo();
          const hasty = await open({ writePatienceMs: 1000 });
          await one.registerManager(nodeA, 60_000);
          expect(await one.claim('vni-8', 'node-a')).toBe('node-a');
          await one.endLease('node-a');
          await until(hasty, () => hasty.managers().get('node-a')?.stopped === true);
          for (const told of await Promise.allSettled([
            hasty.claim('vni-9', 'node-a'),
            hasty.claim('vni-9', 'nobody'),
          ]))
            expect(told).toMatchObject({
              status: 'rejected',
              reason: {
                kind: 'registry',
                message: expect.stringContaining('is not registered, or its lease has run out'),
              },
            });
          await two.registerManager(nodeB, 60_000);
          expect(await two.claim('vni-8', 'node-b')).toBe('node-a');
          expect(await two.claim('vni-9', 'node-b')).toBe('node-b');
        },
        patienceMs,
      );
    });

    describe('leases', () => {
      it('run out when the manager is silent, and come alive when it is back', async () => {
        const [one, two] = await openTwo();
        const heard = record(one);
        await two.registerManager(nodeB, 1000);
        await two.registerEndpoint(endpoint('fw-2', { networkServiceHost: 'node-b' }));
        await until(one, () => one.managers().size === 1 && one.endpointsOf('firewall').length === 1);
        await two.stop();
        stage.harness.advance?.(1000);
        await until(one, () => one.managers().get('node-b')?.alive === false);
        expect(one.endpointsOf('firewall')).toHaveLength(1);
        const three = await open();
        await three.registerManager(nodeB, leaseMs);
        await until(one, () => one.managers().get('node-b')?.alive === true);
        expect(heard).toEqual(['synced', '+node-b', '+firewall/default/fw-2', '+node-b gone', '+node-b']);
      });

      it('keep a name for one address', async () => {
        const [one, two] = await openTwo();
        await two.registerManager(nodeB, 1000);
        await expect(
          one.registerManager({ ...nodeB, address: '10.0.0.9:5001' }, leaseMs),
        ).rejects.toMatchObject({
          kind: 'conflict',
          message: 'manager "node-b" is already registered from 10.0.0.2:5001; choose another --name',
        });
        await one.registerManager(nodeB, 1000);
        await one.removeManager('node-b');
        await one.registerManager({ ...nodeB, address: '10.0.0.9:5001' }, leaseMs);
        await until(one, () => one.managers().get('node-b')?.address === '10.0.0.9:5001');
      });
    });

    describe('malformed input', () => refusals(stage));

    // A registry that holds the records itself cannot outlive them.
    if (canBeAway) describe('when the records are away', () => outages(stage, patienceMs));
  });
}
