// Packets of every length and make over every kind of tunnel, on every underlay, both ways.
import { leaks, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countingFaults } from './counters.js';
import { cutFaults, overlongFaults } from './fragments.js';
import { frameFaults } from './frames.js';
import { datagramFaults, lengthFaults } from './lengths.js';
import { kinds, PacketStage, type StageOptions, type Tunnelled } from './packet-stage.js';
import { type Cell, type Direction, directionsOf, type Version, versions } from './pod-end.js';
import { segmentFaults, virtualMachineFaults } from './segments.js';
import { refusalFaults, transferFaults, withoutTimestamps } from './transfers.js';

const stages: readonly StageOptions[] = [
  { underlay: 4, cable: 'veth', engines: ['ebpf', 'ebpf'] },
  { underlay: 6, cable: 'veth', engines: ['ebpf', 'ebpf'] },
  { underlay: 4, cable: 'veth', engines: ['kernel', 'ebpf'] },
  { underlay: 6, cable: 'veth', engines: ['kernel', 'kernel'] },
  { underlay: 4, cable: 'tap', engines: ['ebpf', 'ebpf'] },
  { underlay: 6, cable: 'tap', engines: ['kernel', 'ebpf'] },
];

const nameOf = ({ underlay, cable, engines }: StageOptions): string =>
  `IPv${underlay} over ${cable}, VXLAN by ${engines.join(' and ')}`;

type Check = (direction: Direction, version: Version) => Promise<string[]>;

/** Both ways, and with both versions of IP. */
const bothWays = async (cell: Cell, ...checks: readonly Check[]): Promise<string[]> => {
  const faults: string[] = [];
  for (const check of checks)
    for (const direction of directionsOf(cell))
      for (const version of versions) faults.push(...(await check(direction, version)));
  return faults;
};

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('packets')).each(stages.map((options) => [nameOf(options), options] as const))(
  '%s',
  { timeout: 120_000 },
  (_name, options) => {
    let stage: PacketStage;
    const cells = new Map<string, Tunnelled>();

    beforeAll(async () => {
      stage = await PacketStage.start(options);
      for (const kind of kinds) cells.set(kind, await stage.connect(kind));
    }, 60_000);
    afterAll(async () => await stage?.[Symbol.asyncDispose]());

    describe.each(kinds)('%s', (kind) => {
      const cell = (): Tunnelled => cells.get(kind)!;

      it('carries IP packets of every length', async () => {
        expect(await bothWays(cell(), lengthFaults, datagramFaults)).toEqual([]);
      });

      it('carries frames of every make', async () => {
        const faults: string[] = [];
        for (const direction of directionsOf(cell())) faults.push(...(await frameFaults(direction)));
        expect(faults).toEqual([]);
      });

      it('carries fragments of every cut', async () => {
        expect(await bothWays(cell(), overlongFaults, cutFaults)).toEqual([]);
      });

      it('carries datagrams that the sender leaves uncut', async () => {
        expect(await bothWays(cell(), segmentFaults, virtualMachineFaults)).toEqual([]);
      });

      it('carries TCP', async () => {
        expect(await bothWays(cell(), transferFaults, refusalFaults)).toEqual([]);
        const { near, far } = cell();
        expect(
          await withoutTimestamps([near, far], () => bothWays(cell(), transferFaults, refusalFaults)),
        ).toEqual([]);
      });

      it('counts what it carries', async () => {
        const { a, b } = stage.mesh;
        expect(await countingFaults([a, b], cell().id)).toEqual([]);
      });
    });
  },
);
