// Packets of every length and make over every kind of tunnel, on every underlay, both ways.
import { leaks, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datagramFaults, lengthFaults } from './lengths.js';
import { kinds, PacketStage, type StageOptions } from './packet-stage.js';
import { type Cell, versions } from './pod-end.js';
import { segmentFaults } from './segments.js';

const stages: readonly StageOptions[] = [
  { underlay: 4, engines: ['ebpf', 'ebpf'] },
  { underlay: 6, engines: ['ebpf', 'ebpf'] },
  { underlay: 4, engines: ['kernel', 'ebpf'] },
  { underlay: 6, engines: ['kernel', 'kernel'] },
];

const ways = ['→', '←'] as const;

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('packets')).each(stages)(
  'underlay IPv$underlay, VXLAN by $engines',
  { timeout: 120_000 },
  (options) => {
    let stage: PacketStage;
    const cells = new Map<string, Cell>();

    beforeAll(async () => {
      stage = await PacketStage.start(options);
      for (const kind of kinds) cells.set(kind, await stage.connect(kind));
    }, 60_000);
    afterAll(async () => await stage?.mesh.stop());

    describe.each(kinds)('%s', (kind) => {
      const cell = (): Cell => cells.get(kind)!;

      it('carries IP packets of every length', async () => {
        const faults: string[] = [];
        for (const version of versions)
          for (const way of ways) faults.push(...(await lengthFaults(cell(), version, way)));
        expect(faults).toEqual([]);
      });

      it('carries short datagrams of the pod’s own kernel', async () => {
        const faults: string[] = [];
        for (const version of versions)
          for (const way of ways) faults.push(...(await datagramFaults(cell(), version, way)));
        expect(faults).toEqual([]);
      });

      it('carries datagrams that the sender leaves uncut', async () => {
        const { near, far } = cell();
        const faults: string[] = [];
        for (const version of versions) {
          faults.push(...(await segmentFaults('→', near, far, version)));
          faults.push(...(await segmentFaults('←', far, near, version)));
        }
        expect(faults).toEqual([]);
      });
    });
  },
);
