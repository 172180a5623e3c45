// Wanted records: renewed, written again when lost, and forgotten when refused or removed.
import { NsmError } from '@nsm/api';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { endpoint, nodeA } from '../compliance/compliance-harness.js';
import { ManualClock } from '../compliance/manual-clock.js';
import { RecordCache, removalOf } from '../records/record-cache.js';
import { type RecordWriter, silentLogger } from '../registry.js';
import { WantedState } from './wanted-state.js';

describe('WantedState', () => {
  let clock: ManualClock;
  let cache: RecordCache;
  let wanted: WantedState;
  let calls: string[];
  let warnings: string[];
  let answer: (call: string) => Promise<void>;
  const unreachable = async (): Promise<never> => {
    throw new NsmError('unavailable', 'connection refused');
  };

  beforeEach(() => {
    clock = new ManualClock();
    cache = new RecordCache();
    calls = [];
    warnings = [];
    answer = async () => undefined;
    const log = (call: string): Promise<void> => {
      calls.push(call);
      return answer(call);
    };
    const writer: RecordWriter = {
      registerManager: ({ name }, leaseMs) => log(`+${name} ${leaseMs}`),
      removeManager: (name) => log(`-${name}`),
      endLease: (name) => log(`.${name}`),
      registerEndpoint: ({ nseProviderName, socketLocation }) => log(`+${nseProviderName} ${socketLocation}`),
      removeEndpoint: ({ nseProviderName }) => log(`-${nseProviderName}`),
      claim: async (name, holder) => {
        await log(`claim ${name}`);
        return holder;
      },
      releaseClaim: (name) => log(`release ${name}`),
    };
    wanted = new WantedState(writer, cache, {
      clock,
      logger: { ...silentLogger, warn: (_, message) => void warnings.push(message) },
      url: 'nsm://r:1',
      patienceMs: 3000,
    });
  });

  /** Turns the clock in small steps, letting promises settle between them. */
  async function pass(milliseconds: number): Promise<void> {
    for (let n = 0; n < milliseconds; n += 10) {
      clock.advance(10);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  it('renews a manager every third of its lease until it is removed', async () => {
    await wanted.registerManager(nodeA, 3000);
    await pass(3000);
    expect(calls).toEqual(Array(4).fill('+node-a 3000'));
    await wanted.registerManager(nodeA, 6000);
    await pass(2000);
    expect(calls.slice(4)).toEqual(['+node-a 6000', '+node-a 6000']);
    await wanted.removeManager('node-a');
    await pass(20_000);
    expect(calls.slice(6)).toEqual(['-node-a']);
  });

  it('keeps renewing after renewals that failed', async () => {
    await wanted.registerManager(nodeA, 3000);
    answer = async () => {
      throw new NsmError('conflict', 'taken meanwhile');
    };
    await pass(2000);
    answer = unreachable;
    await pass(2000);
    answer = async () => undefined;
    await pass(1000);
    expect(calls).toHaveLength(6);
  });

  it('tells of an outage once, however long it is', async () => {
    await wanted.registerManager(nodeA, 3000);
    for (let outage = 1; outage <= 2; outage++) {
      answer = unreachable;
      await pass(60_000);
      expect(warnings).toHaveLength(outage);
      answer = async () => undefined;
      await pass(2000);
    }
  });

  it('forgets what was refused', async () => {
    answer = async () => {
      throw new NsmError('conflict', 'taken');
    };
    await expect(wanted.registerManager(nodeA, 3000)).rejects.toMatchObject({ kind: 'conflict' });
    await pass(10_000);
    await wanted.assertAll();
    expect(calls).toHaveLength(1);
  });

  it('tries for 3 s, tells, and writes when the registry is back', async () => {
    answer = unreachable;
    const write = wanted.registerEndpoint(endpoint('fw'));
    const told = expect(write).rejects.toMatchObject({
      kind: 'registry',
      message: 'registry nsm://r:1 does not answer: connection refused',
    });
    await pass(3100);
    await told;
    expect(calls.length).toBeGreaterThan(10);
    calls.length = 0;
    answer = async () => undefined;
    await wanted.assertAll();
    expect(calls).toEqual(['+fw /run/fw.sock']);
  });

  it('keeps a removal in mind as well, and only the latest wish', async () => {
    answer = unreachable;
    const first = expect(wanted.registerEndpoint(endpoint('fw'))).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await pass(100);
    const second = expect(wanted.removeEndpoint(endpoint('fw'))).rejects.toMatchObject({ kind: 'registry' });
    await pass(4000);
    await Promise.all([first, second]);
    calls.length = 0;
    answer = async () => undefined;
    await wanted.assertAll();
    await wanted.assertAll();
    expect(calls).toEqual(['-fw']);
  });

  it('writes again with the next renewal what somebody else removed', async () => {
    await wanted.registerManager(nodeA, 3000);
    const fw = endpoint('fw');
    await wanted.registerEndpoint(fw);
    await wanted.claim('vni-5', 'node-a');
    cache.apply({ case: 'endpointPut', value: fw });
    calls.length = 0;
    cache.apply(removalOf(fw));
    await pass(1000);
    expect(calls).toEqual(['+node-a 3000', '+fw /run/fw.sock']);
    calls.length = 0;
    await pass(1000);
    expect(calls).toEqual(['+node-a 3000']);
  });

  it('leaves an endpoint to the manager that registered it later', async () => {
    await wanted.registerEndpoint(endpoint('fw'));
    cache.apply({ case: 'endpointPut', value: endpoint('fw', { networkServiceHost: 'node-b' }) });
    calls.length = 0;
    await wanted.assertAll();
    expect(calls).toEqual([]);
  });

  it('gives a claim up, and back, whose outcome it did not hear', async () => {
    answer = async (call) => (call.startsWith('claim') ? await unreachable() : undefined);
    const claim = expect(wanted.claim('vni-5', 'node-a')).rejects.toMatchObject({ kind: 'registry' });
    await pass(3100);
    await claim;
    calls.length = 0;
    await wanted.assertAll();
    await wanted.assertAll();
    expect(calls).toEqual(['release vni-5']);
  });

  it('tells all who wait for one claim at the same time, and who asks later does not wait for them', async () => {
    answer = () =>
      new Promise((_, reject) => clock.after(3000, () => reject(new NsmError('deadline', 'silence'))));
    let told: unknown[] = [];
    const ask = (): void => {
      wanted.claim('vni-5', 'node-a').catch((error: unknown) => told.push(error));
    };
    for (let n = 0; n < 5; n++) {
      ask();
      await pass(400);
    }
    expect(told).toEqual([]);
    await pass(1100);
    const reason = { kind: 'registry', message: 'registry nsm://r:1 does not answer: silence' };
    expect(told).toMatchObject(Array(5).fill(reason));
    told = [];
    ask();
    await pass(3100);
    expect(told).toMatchObject([reason]);
    expect(calls).toEqual(['claim vni-5', 'claim vni-5']);
    answer = async () => undefined;
    expect(await wanted.claim('vni-5', 'node-a')).toBe('node-a');
    calls.length = 0;
    await wanted.assertAll();
    expect(calls).toEqual(['claim vni-5']);
  });

  it('asks anew, and does not hear of an earlier claim, after a release', async () => {
    const gates: (() => void)[] = [];
    answer = () => new Promise((resolve) => gates.push(resolve));
    const writes = [
      wanted.claim('vni-5', 'node-a'),
      wanted.releaseClaim('vni-5', 'node-a'),
      wanted.claim('vni-5', 'node-a'),
    ];
    for (let n = 0; n < 3; n++) {
      await vi.waitFor(() => expect(gates).toHaveLength(n + 1));
      gates[n]!();
    }
    await Promise.all(writes);
    expect(calls).toEqual(['claim vni-5', 'release vni-5', 'claim vni-5']);
  });

  it('removes a manager after a renewal that is under way, and not before', async () => {
    await wanted.registerManager(nodeA, 3000);
    let open = (): void => undefined;
    answer = (call) =>
      call.startsWith('+node-a')
        ? new Promise((resolve) => {
            open = () => resolve(undefined);
          })
        : Promise.resolve(undefined);
    calls.length = 0;
    await pass(1000);
    const removed = wanted.removeManager('node-a');
    await pass(10);
    expect(calls).toEqual(['+node-a 3000']);
    open();
    await removed;
    expect(calls).toEqual(['+node-a 3000', '-node-a']);
  });

  it('writes nothing of a manager after its removal', async () => {
    let open = (): void => undefined;
    answer = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    const first = wanted.registerEndpoint(endpoint('fw', { socketLocation: '/1' }));
    const second = expect(wanted.registerEndpoint(endpoint('fw'))).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await vi.waitFor(() => expect(calls).toEqual(['+fw /1']));
    answer = async () => undefined;
    await wanted.removeManager('node-a');
    open();
    await Promise.all([first, second]);
    await wanted.assertAll();
    expect(calls).toEqual(['+fw /1', '-node-a']);
  });

  it('ends what it tries when it is stopped', async () => {
    answer = unreachable;
    const write = expect(wanted.registerEndpoint(endpoint('fw'))).rejects.toMatchObject({ kind: 'stopping' });
    await pass(100);
    wanted.stop();
    await write;
  });

  it('writes to one thing in order', async () => {
    const gates: (() => void)[] = [];
    answer = () => new Promise((resolve) => gates.push(resolve));
    const writes = [
      wanted.registerEndpoint(endpoint('fw', { socketLocation: '/1' })),
      wanted.removeEndpoint(endpoint('fw')),
      wanted.registerEndpoint(endpoint('fw', { socketLocation: '/2' })),
    ];
    for (let n = 0; n < 3; n++) {
      await vi.waitFor(() => expect(gates).toHaveLength(n + 1));
      gates[n]!();
    }
    await Promise.all(writes);
    expect(calls).toEqual(['+fw /1', '-fw', '+fw /2']);
  });
});
