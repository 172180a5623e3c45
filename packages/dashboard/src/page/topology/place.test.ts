import { grouped } from '@nsm/views/grouped';
import { describe, expect, it } from 'vitest';
import type { Chip, Graph } from './graph.js';
import { chipSize, place } from './place.js';

const chip = (node: string, role: Chip['role'], number: number): Chip => ({
  id: `${node}/${role}/${number}`,
  node,
  role,
  title: `pod-${number}`,
  subtitle: '',
  note: '',
  select: '',
  query: '',
  isTroubled: false,
});

/** @param sizes for each node how many endpoints and clients. */
const graph = (...sizes: [endpoints: number, clients: number][]): Graph => ({
  boxes: sizes.map((_, index) => ({
    id: `n${index}`,
    title: '',
    state: 'ALIVE',
    isTroubled: false,
    select: '',
  })),
  chips: sizes.flatMap(([endpoints, clients], index) => [
    ...Array.from({ length: endpoints }, (_, number) => chip(`n${index}`, 'endpoint', number)),
    ...Array.from({ length: clients }, (_, number) => chip(`n${index}`, 'client', number)),
  ]),
  edges: [],
  tunnels: [],
  isGathered: false,
});

describe('places', () => {
  it.each([0.4, 1, 1.8])('of chips do not overlap, and those of a node lie together: aspect %d', (aspect) => {
    const many = graph([1, 1], [3, 60], [0, 5], [9, 0], [0, 0], [2, 2]);
    const points = place(many, aspect);
    const placed = many.chips.map(({ id, node, role }) => ({ node, role, ...points.get(id)! }));
    for (const a of placed)
      for (const b of placed) {
        if (a === b) continue;
        const apart = Math.abs(a.x - b.x) >= chipSize.width || Math.abs(a.y - b.y) >= chipSize.height;
        expect(apart).toBe(true);
      }
    const boxes = grouped(placed, ({ node }) => node);
    for (const [node, inside] of boxes) {
      const [left, right] = [Math.min, Math.max].map((of) => of(...inside.map(({ x }) => x))) as [
        number,
        number,
      ];
      const [top, bottom] = [Math.min, Math.max].map((of) => of(...inside.map(({ y }) => y))) as [
        number,
        number,
      ];
      const within = ({ x, y }: { x: number; y: number }): boolean =>
        x >= left && x <= right && y >= top && y <= bottom;
      expect(placed.filter((one) => one.node !== node && within(one))).toEqual([]);
      const [lowest = 0, highest = 0] = [
        Math.max(...inside.filter(({ role }) => role === 'endpoint').map(({ y }) => y)),
        Math.min(...inside.filter(({ role }) => role === 'client').map(({ y }) => y)),
      ];
      expect(lowest).toBeLessThan(highest);
    }
    // A node without pods has a place of its own.
    expect(points.has('n4')).toBe(true);
  });

  it('are the same for the same mesh', () => {
    const one = graph([2, 7], [1, 3]);
    expect(place(one, 1.6)).toEqual(place({ ...one, chips: one.chips.toReversed() }, 1.6));
  });
});
