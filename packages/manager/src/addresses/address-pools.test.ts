// The allocator: nothing twice, nothing excluded, nothing lost, whoever asks and in whatever order.
import { NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AddressPools } from './address-pools.js';
import { allocate, nextPairs, obstacles, releasePairs } from './allocation.js';

/** Claims as a registry keeps them: the first holder has it. */
const claims = () => {
  const holders = new Map<string, string>();
  return {
    holders,
    claim: async (name: string, holder: string): Promise<string> => {
      const present = holders.get(name);
      if (present === undefined) holders.set(name, holder);
      return present ?? holder;
    },
  };
};

const takeAll = async (pools: AddressPools, prefix: string): Promise<string[]> => {
  const taken: string[] = [];
  for (;;) {
    try {
      taken.push((await pools.take(prefix, [])).prefix);
    } catch (error) {
      expect(error).toMatchObject({ kind: 'no-address' });
      return taken;
    }
  }
};

describe('AddressPools', () => {
  it('tell the pair that comes next, and take none by telling', async () => {
    const { claim, holders } = claims();
    const pools = new AddressPools({ claim }, 'node-a');
    const prefix = '10.60.0.0/24';
    expect(pools.next(prefix, [])).toBeUndefined();
    expect(holders.size).toBe(0);
    for (let taken = 0; taken < 5; taken++) {
      const next = pools.next(prefix, []);
      expect(pools.size).toBe(taken);
      const pair = await pools.take(prefix, []);
      if (taken > 0) expect(pair).toEqual(next);
    }
  });

  it('gives both ends of one pair', async () => {
    const { client, endpoint, prefix } = await new AddressPools(claims(), 'node-a').take('10.60.0.0/29', []);
    expect(prefix).toMatch(/^10\.60\.0\.[0246]\/31$/);
    expect(endpoint).toBe(prefix);
    expect(IpPrefix.of(client).overlaps(IpPrefix.of(endpoint))).toBe(true);
    const six = await new AddressPools(claims(), 'node-a').take('fd00:60::/48', []);
    expect(six.client).toMatch(/^fd00:60:.*\/127$/);
  });

  it('claims one block for all who ask at the same time, and leaves the others to other managers', async () => {
    const registry = claims();
    const pools = new AddressPools(registry, 'node-a');
    const taken = await Promise.all(Array.from({ length: 40 }, () => pools.take('10.50.0.0/20', [])));
    expect(new Set(taken.map(({ prefix }) => prefix)).size).toBe(40);
    expect(registry.holders.size).toBe(1);
    const other = await new AddressPools(registry, 'node-b').take('10.50.0.0/20', []);
    expect(other.prefix).toMatch(/^10\.50\./);
  });

  it('counts each pair until it is given back, however many are asked for at once, and none that is not given', async () => {
    const pools = new AddressPools(claims(), 'node-a');
    let held = 0;
    const reserve = (): (() => void) => {
      if (held === 3) throw new NsmError('overload', 'too many');
      held++;
      return () => void held--;
    };
    const ask = (...prefixes: string[]) => allocate({ pools }, prefixes, [], reserve);
    const asked = await Promise.allSettled([1, 2, 3, 4, 5].map(() => ask('10.50.0.0/20')));
    expect(asked.filter(({ status }) => status === 'rejected')).toHaveLength(2);
    const [first, second] = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    releasePairs({ pools }, first!);
    releasePairs({ pools }, first!);
    // Of both versions it would be one too many: then neither is kept.
    await expect(ask('10.50.0.0/20', 'fd50::/64')).rejects.toThrow('too many');
    releasePairs({ pools }, second!);
    expect(held).toBe(1);
    expect(pools.size).toBe(1);
    expect(await ask('10.50.0.0/20', 'fd50::/64')).toHaveLength(2);
  });

  it('tells all who wait that no block can be claimed', async () => {
    const claim = async (): Promise<string> => {
      throw new NsmError('registry', 'it is away');
    };
    const pools = new AddressPools({ claim }, 'node-a');
    const asked = await Promise.allSettled([1, 2, 3].map(() => pools.take('10.50.0.0/20', [])));
    for (const outcome of asked) expect(outcome).toMatchObject({ reason: { kind: 'registry' } });
  });

  it('tells what would be given next, and what stands in the way, without taking or claiming anything', async () => {
    const claim = vi.fn(claims().claim);
    const pools = new AddressPools({ claim }, 'node-a');
    const whole = [IpPrefix.of('10.0.0.0/8')];
    const registry = (synced: boolean) => ({ pools, registry: { synced, url: 'nsm://r' } });
    const prefix = '10.50.0.0/20';
    expect(nextPairs(registry(true), [prefix], [])).toEqual([undefined]);
    expect(() => nextPairs(registry(false), [prefix], [])).toThrow(
      /cannot claim any: registry nsm:\/\/r does not/,
    );
    expect(() => nextPairs(registry(true), [prefix], whole)).toThrow(
      /routes 10.0.0.0\/8, which leaves no address/,
    );
    expect(claim).not.toHaveBeenCalled();
    await pools.take(prefix, []);
    const [next] = nextPairs(registry(false), [prefix], []);
    expect(await pools.take(prefix, [])).toEqual(next);
    expect(() => nextPairs(registry(true), [prefix], whole)).toThrow(/leaves no address/);
  });

  it.each(['10.0.0.0/24', '10.0.0.0/28', '10.0.0.0/31', 'fd00::/120', 'fd00::/127'])(
    'gives every pair of %s once',
    async (prefix) => {
      const registry = claims();
      const [a, b] = [new AddressPools(registry, 'node-a'), new AddressPools(registry, 'node-b')];
      const taken = [...(await takeAll(a, prefix)), ...(await takeAll(b, prefix))];
      const { version, first, last, length } = IpPrefix.of(prefix);
      expect(new Set(taken).size).toBe(taken.length);
      // The first and the last pair of a large IPv4 prefix are left out.
      expect(taken.length).toBe(Number((last - first + 1n) / 2n) - (version === 4 && length <= 24 ? 2 : 0));
    },
  );

  it('never gives what is excluded, and finds what is left', async () => {
    const small = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
      .map(([host, length]) => `10.0.0.${host}/${length}`);
    await fc.assert(
      fc.asyncProperty(fc.array(small, { maxLength: 6 }), async (texts) => {
        const excluded = texts.map(IpPrefix.of);
        const pools = new AddressPools(claims(), 'node-a');
        const taken: string[] = [];
        for (let n = 0; n < 130; n++) {
          const pair = await pools.take('10.0.0.0/24', excluded).catch(() => undefined);
          if (!pair) break;
          taken.push(pair.prefix);
        }
        const free = Array.from({ length: 126 }, (_, n) => `10.0.0.${2 * n + 2}/31`).filter(
          (pair) => !excluded.some((prefix) => prefix.overlaps(IpPrefix.of(pair))),
        );
        expect(taken.toSorted()).toEqual(free.toSorted());
      }),
      { numRuns: 60 },
    );
  });

  it('passes a default route and does not give what was restored', async () => {
    const pools = new AddressPools(claims(), 'node-a');
    for (const pair of ['10.0.0.0/31', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/31']) pools.restore(pair);
    expect(
      await pools.take('10.0.0.0/29', [IpPrefix.of('0.0.0.0/0')]).catch((error: Error) => error.message),
    ).toMatch(/no address pair is left/);
    pools.release('10.0.0.4/31');
    expect((await pools.take('10.0.0.0/29', [])).prefix).toBe('10.0.0.4/31');
  });

  it('claims nothing that the routes of a pod cover, and names them', async () => {
    const claimed: string[] = [];
    const registry = {
      claim: async (name: string, holder: string) => {
        claimed.push(name);
        return holder;
      },
    };
    const pools = new AddressPools(registry, 'node-a');
    const around = ['10.0.0.0/7', '10.60.0.0/16', '10.61.0.0/16', '10.62.0.0/16'].map(IpPrefix.of);
    await expect(pools.take('10.60.0.0/16', around)).rejects.toMatchObject({
      kind: 'no-address',
      message: expect.stringMatching(/routes 10\.0\.0\.0\/7.*leaves no address pair in 10\.60\.0\.0\/16/),
    });
    expect(claimed).toEqual([]);
    expect(obstacles({ pools }, ['0.0.0.0/1', '128.0.0.0/1', '::/0'])).toEqual([]);
  });

  it('keeps count across prefixes that overlap', async () => {
    const pools = new AddressPools(claims(), 'node-a');
    const inner = await takeAll(pools, '10.0.0.16/28');
    const outer = await takeAll(pools, '10.0.0.0/24');
    expect(inner).toHaveLength(8);
    expect(new Set([...inner, ...outer]).size).toBe(126);
    for (const pair of [...inner, ...outer]) pools.release(pair);
    expect(pools.size).toBe(0);
    expect(await takeAll(pools, '10.0.0.0/24')).toHaveLength(126);
    expect(await takeAll(pools, '10.0.0.16/28')).toHaveLength(0);
  });

  it('looks at each pair of its own once, however many are in the way', async () => {
    let looks = 0;
    /** Counts how often the allocator looks at it. */
    const watched = (text: string): IpPrefix => {
      const { first } = IpPrefix.of(text);
      return Object.defineProperty(IpPrefix.of(text), 'first', {
        get: () => {
          looks++;
          return first;
        },
      });
    };
    const pools = new AddressPools(claims(), 'node-a');
    const given: string[] = [];
    const excluded: IpPrefix[] = [];
    let shown = 0;
    for (let n = 0; n < 2000; n++) {
      shown += excluded.length;
      const { prefix } = await pools.take('10.60.0.0/16', excluded);
      given.push(prefix);
      excluded.push(watched(prefix));
    }
    expect(new Set(given).size).toBe(2000);
    expect(looks).toBe(shown);
    // By their text not even that is needed.
    expect(obstacles({ pools }, [...given, 'fe80::/64', '10.60.0.0/24'])).toEqual([
      IpPrefix.of('10.60.0.0/24'),
    ]);
  });

  it('gives nothing twice under any sequence of taking and releasing by two managers', async () => {
    const command = fc.record({ manager: fc.constantFrom(0, 1), release: fc.boolean(), pick: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 80 }), async (commands) => {
        const registry = claims();
        const pools = [new AddressPools(registry, 'node-a'), new AddressPools(registry, 'node-b')] as const;
        const held: [number, string][] = [];
        for (const { manager, release, pick } of commands) {
          if (release && held.length > 0) {
            const [[owner, prefix]] = held.splice(pick % held.length, 1) as [[number, string]];
            pools[owner as 0 | 1].release(prefix);
          } else {
            const pair = await pools[manager].take('10.0.0.0/26', []).catch(() => undefined);
            if (pair) held.push([manager, pair.prefix]);
          }
          expect(new Set(held.map(([, prefix]) => prefix)).size).toBe(held.length);
        }
      }),
      { numRuns: 50 },
    );
  });
});
