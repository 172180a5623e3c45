// The part of the compliance suite for registries that can be away while their clients live.
import { expect, it, vi } from 'vitest';
import {
  contents,
  endpoint,
  type Harness,
  leaseMs,
  nodeA,
  nodeB,
  record,
  type Stage,
  until,
} from './compliance-harness.js';

/** So long that no renewal comes while a test runs, milliseconds. */
const longLeaseMs = 600_000;

/** @param patienceMs what a test may take with the outage that it has, milliseconds. */
export function outages(stage: Stage, patienceMs: number): void {
  const server = (): NonNullable<Harness['server']> => {
    if (!stage.harness.server)
      throw new Error('the records of this registry cannot be away: leave this part out');
    return stage.harness.server;
  };
  const { open, openTwo } = stage;

  it('keeps them over a restart', async () => {
    const { stop, start } = server();
    const one = await open();
    await one.registerManager(nodeA, leaseMs);
    await one.registerEndpoint(endpoint('fw-1'));
    await one.claim('vni-5', 'node-a');
    await until(one, () => contents(one).length === 2);
    const before = contents(one);
    await one.stop();
    await stop();
    await start();
    const two = await open();
    expect(contents(two)).toEqual(before);
    expect(await two.claim('vni-5', 'node-b')).toBe('node-a');
    // A whole lease to say that it is still there.
    stage.harness.advance?.(leaseMs - 1);
    expect(two.managers().get('node-a')?.alive).toBe(true);
    stage.harness.advance?.(1);
    await until(two, () => two.managers().get('node-a')?.alive === false);
  });

  it('goes on reading, and then hears of real changes only', async () => {
    const { stop, start } = server();
    const [one, two] = await openTwo();
    await one.registerManager(nodeA, leaseMs);
    await one.registerEndpoint(endpoint('stays'));
    await one.registerEndpoint(endpoint('goes'));
    await until(two, () => contents(two).length === 3);
    const heard = record(two);
    await stop();
    await vi.waitFor(() => expect(two.synced).toBe(false));
    expect(two.endpointsOf('firewall')).toHaveLength(2);
    const removed = one.removeEndpoint(endpoint('goes'));
    const added = one.registerEndpoint(endpoint('comes'));
    await start();
    await Promise.all([removed, added]);
    await until(
      two,
      () => heard.includes('+firewall/default/comes') && heard.includes('-firewall/default/goes'),
    );
    // Kinds of records may be heard of one after the other.
    await vi.waitFor(() => expect(two.synced).toBe(true), { timeout: 5_000 });
    expect(heard.slice(4).sort()).toEqual(['+firewall/default/comes', '-firewall/default/goes']);
  });

  it('writes again what a new store lacks', async () => {
    const { stop, start, loseStore } = server();
    const [one, two] = await openTwo();
    await one.registerManager(nodeA, longLeaseMs);
    await one.registerEndpoint(endpoint('fw-1'));
    await one.registerEndpoint(endpoint('fw-2'));
    await one.removeEndpoint(endpoint('fw-2'));
    expect(await one.claim('vni-5', 'node-a')).toBe('node-a');
    expect(await two.claim('vni-5', 'node-b')).toBe('node-a');
    await stop();
    loseStore();
    await start();
    const three = await open();
    await until(three, () => contents(three).length === 2);
    expect(contents(three)).toEqual([
      'firewall/default/fw-1 node-a /run/fw-1.sock',
      'node-a 10.0.0.1:5001 alive',
    ]);
    await vi.waitFor(async () => {
      expect(await three.claim('vni-5', 'node-c')).toBe('node-a');
    });
  });

  it('starts without them, and catches up', async () => {
    const { stop, start } = server();
    await stop();
    const one = await open();
    expect(one.synced).toBe(false);
    const heard = record(one);
    const early = one.registerManager(nodeA, leaseMs);
    await start();
    await early;
    await until(one, () => heard.includes('synced') && heard.includes('+node-a'));
    expect(one.synced).toBe(true);
  });

  it(
    'tells the author of a write after a while, and writes it later all the same',
    async () => {
      const { stop, start } = server();
      const [one, two] = [await open({ writePatienceMs: 200 }), await open()];
      await two.registerManager(nodeB, longLeaseMs);
      await stop();
      const results = await Promise.allSettled([
        one.registerManager(nodeA, longLeaseMs),
        one.registerEndpoint(endpoint('fw-1')),
        one.claim('vni-5', 'node-a'),
      ]);
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { kind: 'registry' } });
      }
      await start();
      await until(two, () => contents(two).length === 3);
      await vi.waitFor(async () => expect(await two.claim('vni-5', 'node-b')).toBe('node-b'));
    },
    patienceMs,
  );

  it('stops at once, writes under way included', async () => {
    const { stop } = server();
    const one = await open();
    await stop();
    const write = expect(one.registerEndpoint(endpoint('fw-1'))).rejects.toMatchObject({
      kind: 'stopping',
    });
    await one.stop();
    await write;
    await one.stop();
  });
}
