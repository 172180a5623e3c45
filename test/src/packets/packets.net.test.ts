// Packets of every length and make over every kind of tunnel, on every underlay, both ways.
import { leaks, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { missingTestpmd } from '../mesh/testpmd.js';
import { thorough } from '../reliability/config.js';
import { counted, dropsAt } from './counters.js';
import { cutFaults, overlongFaults } from './fragments.js';
import { frameFaults } from './frames.js';
import { contentOf } from './ip-packets.js';
import { datagramFaults, lengthFaults } from './lengths.js';
import { frameOf } from './link-frames.js';
import { type Attachment, type Connection, kinds, PacketStage, type StageOptions } from './packet-stage.js';
import { type Cell, type Direction, directionsOf, type Version, versions } from './pod-end.js';
import { segmentFaults, virtualMachineFaults } from './segments.js';
import { refusalFaults, transferFaults, withoutTimestamps } from './transfers.js';

const [ebpf, kernel, mixed] = [
  ['ebpf', 'ebpf'],
  ['kernel', 'kernel'],
  ['kernel', 'ebpf'],
] as const;
const everyStage: readonly StageOptions[] = ([4, 6] as const).flatMap((underlay) =>
  (['veth', 'tap'] as const).flatMap((cable) =>
    [ebpf, kernel, mixed].map((engines) => ({ underlay, cable, engines, mtu: 1500 })),
  ),
);
/** Large packets, as between the machines of a data centre. */
const jumbo = 9000;
const stages: readonly StageOptions[] = thorough
  ? [...everyStage, { underlay: 4, cable: 'tap', engines: ebpf, mtu: jumbo }]
  : [
      { underlay: 4, cable: 'veth', engines: ebpf, mtu: 1500 },
      { underlay: 6, cable: 'veth', engines: mixed, mtu: 1500 },
      { underlay: 6, cable: 'tap', engines: mixed, mtu: jumbo },
      { underlay: 4, cable: 'tap', engines: ebpf, mtu: jumbo },
    ];
const nameOf = ({ underlay, cable, mtu, engines }: StageOptions): string =>
  `IPv${underlay} over ${cable} of ${mtu} bytes, VXLAN by ${engines.join(' and ')}`;

/** Pods of which one or both have shared memory. */
const attachments: readonly (readonly [near: Attachment, far: Attachment])[] = [
  ['mem', 'kernel'],
  ['kernel', 'mem'],
  ['mem', 'mem'],
];
/**
 * Kinds of tunnel that a stage has. Without the thorough run, every other one: each is on two stages that have neither the
 * underlay nor the cable nor the MTU in common.
 */
const kindsOf = (options: StageOptions): readonly string[] =>
  thorough ? kinds : kinds.filter((_, index) => index % 2 === stages.indexOf(options) % 2);

/** Each is two processes: without the thorough run, each kind of tunnel has one of them, and each of them two kinds. */
const shared = (options: StageOptions) =>
  kindsOf(options).flatMap((kind) => {
    const index = kinds.indexOf(kind);
    const half = index < kinds.length / 2 ? 0 : 1;
    return attachments
      .filter(
        (_, n) =>
          thorough ||
          (half === Math.floor(stages.indexOf(options) / 2) && n === (index + half) % attachments.length),
      )
      .map(([near, far]) => ({ kind, near, far }));
  });

/** Pods of which one has DPDK's vhost-user, which keeps a processor busy: two kinds of tunnel of each stage; without the thorough run, one of the first two. */
const withVhost = (options: StageOptions) => {
  const stage = stages.indexOf(options);
  return (['near', 'far'] as const)
    .map((end, n) => ({
      kind: kinds[(2 * stage + n) % kinds.length] ?? '',
      near: end === 'near' ? ('vhost' as const) : ('kernel' as const),
      far: end === 'far' ? ('vhost' as const) : ('kernel' as const),
    }))
    .filter((_, n) => thorough || n === stage);
};

/** What follows a tunnel of some kind. Without the thorough run: the next kind of the stage, on one stage for each kind. */
const followersOf = (options: StageOptions, kind: string): readonly string[] => {
  if (thorough) return kinds;
  if (![1, 2].includes(stages.indexOf(options))) return [];
  const there = kindsOf(options);
  return [there[(there.indexOf(kind) + 1) % there.length] ?? kind];
};

/** All that can be joined without a tunnel. Without the thorough run, each at either end; types-matrix.net.test.ts has the rest. */
const here = [['kernel', 'kernel'], ...attachments].filter(
  ([near, far]) => thorough || near !== 'mem' || far !== 'mem',
) as (readonly [Attachment, Attachment])[];

type Check = (direction: Direction, version: Version) => Promise<string[]>;

/** Both ways, and with both versions of IP. */
const bothWays = async (cell: Cell, ...checks: readonly Check[]): Promise<string[]> => {
  const faults: string[] = [];
  for (const check of checks)
    for (const direction of directionsOf(cell))
      for (const version of versions) faults.push(...(await check(direction, version)));
  return faults;
};
const everything: readonly Check[] = [
  lengthFaults,
  datagramFaults,
  overlongFaults,
  cutFaults,
  segmentFaults,
  virtualMachineFaults,
];
/** From the near pod, for nobody. */
const sendAll = async ({ near, far }: Cell): Promise<string[]> => {
  using sender = near.frames();
  for (let n = 0; n < 100; n++) sender.send(frameOf(far.mac, near.mac, 0x88b5, contentOf(n, 100)));
  return [];
};
const framesBothWays = async (cell: Cell): Promise<string[]> =>
  (await Promise.all(directionsOf(cell).map(frameFaults))).flat();
const everyTransfer = async (cell: Cell): Promise<string[]> => {
  const transfers = (): Promise<string[]> => bothWays(cell, transferFaults, refusalFaults);
  return [...(await transfers()), ...(await withoutTimestamps([cell.near, cell.far], transfers))];
};

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('packets')).each(stages.map((options) => [nameOf(options), options] as const))(
  '%s',
  { timeout: 120_000 },
  (_name, options) => {
    let stage: PacketStage;
    const cells = new Map<string, Connection>();
    const missing = new Map<string, string>();

    beforeAll(async () => {
      stage = await PacketStage.start(options);
      for (const node of stage.mesh.nodes)
        for (const [kind, why] of await node.missingTunnels()) missing.set(kind, why);
      for (const kind of kindsOf(options)) if (!missing.has(kind)) cells.set(kind, await stage.connect(kind));
    }, 60_000);
    afterAll(async () => await stage?.[Symbol.asyncDispose]());

    /** Leaves out what cannot be carried here. */
    const requireKinds = (skip: (why: string) => void, ...needed: readonly string[]): void => {
      const why = needed.map((kind) => missing.get(kind)).find((one) => one !== undefined);
      if (why !== undefined) skip(why);
    };
    const addingUp = (cell: Connection, work: () => Promise<string[]>): Promise<string[]> =>
      counted(stage.mesh.nodes, cell.id, work);

    /** The kernel's own device counts what is to be cut as one packet. */
    const countsUncut = (kind: string): boolean => kind !== 'VXLAN' || options.engines === ebpf;

    describe.each(kindsOf(options))('%s', (kind) => {
      beforeEach(({ skip }) => requireKinds(skip, kind));
      const cell = (): Connection => cells.get(kind)!;

      it('carries IP packets of every length', async () => {
        expect(await addingUp(cell(), () => bothWays(cell(), lengthFaults, datagramFaults))).toEqual([]);
      });

      it('carries frames of every make', async () => {
        expect(await addingUp(cell(), () => framesBothWays(cell()))).toEqual([]);
      });

      it('carries fragments of every cut', async () => {
        expect(await addingUp(cell(), () => bothWays(cell(), overlongFaults, cutFaults))).toEqual([]);
      });

      it('carries datagrams that the sender leaves uncut', async () => {
        const work = (): Promise<string[]> => bothWays(cell(), segmentFaults, virtualMachineFaults);
        expect(countsUncut(kind) ? await addingUp(cell(), work) : await work()).toEqual([]);
      });

      // Not counted: in bulk, an underlay drops what is too much for it, which neither node has lost.
      it('carries TCP', async () => {
        expect(await everyTransfer(cell())).toEqual([]);
      });

      it.for(followersOf(options, kind))(
        'followed by %s, carries datagrams that the sender leaves uncut, and TCP',
        async (other, { skip }) => {
          requireKinds(skip, other);
          const chain = await stage.chain(cell(), other);
          const work = (): Promise<string[]> => bothWays(chain, segmentFaults, datagramFaults);
          const [near, far] = [stage.mesh.a, stage.mesh.b];
          const secondAddsUp = (): Promise<string[]> => counted([far, near], chain.second.id, work);
          const counts = countsUncut(kind) && countsUncut(other);
          expect(counts ? await addingUp(cell(), secondAddsUp) : await work()).toEqual([]);
          expect(await bothWays(chain, transferFaults)).toEqual([]);
        },
      );
    });

    // No packet of these gets to the underlay: one stage has them all.
    it.each(options === stages[0] ? here : [])(
      'on one node: %s to %s carries all of that',
      async (near, far) => {
        const cell = await stage.connectHere(near, far);
        expect(await framesBothWays(cell)).toEqual([]);
        expect(await bothWays(cell, ...everything)).toEqual([]);
        expect(await everyTransfer(cell)).toEqual([]);
      },
    );

    it.for(withVhost(options))('$kind: $near to $far carries all of that', async (how, { skip }) => {
      requireKinds(skip, how.kind, 'GRE');
      const why = options.mtu > 1500 ? 'testpmd has no buffers so large' : missingTestpmd();
      if (why !== undefined) skip(why);
      const cell = await stage.connect(how.kind, how.near, how.far);
      try {
        const whole = (): Promise<string[]> =>
          bothWays(cell, lengthFaults, datagramFaults, overlongFaults, cutFaults);
        expect(await addingUp(cell, whole)).toEqual([]);
        expect(await addingUp(cell, () => framesBothWays(cell))).toEqual([]);
        expect(await bothWays(cell, segmentFaults)).toEqual([]);
        expect(await everyTransfer(cell)).toEqual([]);
      } finally {
        // Its device has the name that the next one's will have.
        for (const application of cell.applications) await application[Symbol.asyncDispose]();
      }
    });

    it.for(shared(options))(
      '$kind: $near to $far carries all of that',
      async ({ kind, near, far }, { skip }) => {
        // Shared memory goes through tunnels by eBPF alone, as GRE does.
        requireKinds(skip, kind, 'GRE');
        const cell = await stage.connect(kind, near, far);
        const whole = (): Promise<string[]> =>
          bothWays(cell, lengthFaults, datagramFaults, overlongFaults, cutFaults);
        expect(await addingUp(cell, whole)).toEqual([]);
        expect(await addingUp(cell, () => framesBothWays(cell))).toEqual([]);
        expect(await bothWays(cell, segmentFaults, virtualMachineFaults)).toEqual([]);
        expect(await everyTransfer(cell)).toEqual([]);
        if (near !== 'kernel') return;
        // Nobody is left to take it.
        for (const application of cell.applications) await application[Symbol.asyncDispose]();
        expect(await addingUp(cell, () => sendAll(cell))).toEqual([]);
        const drops = await dropsAt(stage.mesh.b, cell.id);
        expect(drops['received, not taken by the pod']).toBeGreaterThanOrEqual(100n);
      },
    );
  },
);
