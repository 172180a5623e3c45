import { describe, expect, it } from 'vitest';
import { lossOf, type Sighting, stagesOf, type WatchedPoint } from './trace-way.js';

const way = stagesOf('client', 'a', 'b');
const points: WatchedPoint[] = [
  ...['client a', 'node a', 'underlay a', 'underlay b', 'node b', 'endpoint b'].map((text) => {
    const [place = '', manager = ''] = text.split(' ');
    return { place, manager, interface: '' };
  }),
];
const seen = (count: number, watched = points): Sighting[] =>
  way.slice(0, count).flatMap(({ place, manager, outgoing, answer, mayBeMissed }) => {
    const point = watched.find((one) => one.place === place && one.manager === manager);
    return point && !mayBeMissed ? [{ point, outgoing, answer, timeNs: 0n, what: '' }] : [];
  });
const text = (watched: readonly WatchedPoint[], sightings: readonly Sighting[]): string => {
  const loss = lossOf(way, watched, sightings);
  const name = (stage: typeof loss extends undefined ? never : (typeof way)[number] | undefined): string =>
    stage ? `${stage.place} ${stage.manager}${stage.answer ? ' back' : ''}` : '-';
  return loss ? `${name(loss.after)} to ${name(loss.before)}` : 'none';
};

describe('where a packet got lost', () => {
  it.each([
    [0, '- to client a'],
    [1, 'client a to node a'],
    [3, 'underlay a to underlay b'],
    [4, 'underlay b to endpoint b'],
    [6, 'endpoint b to endpoint b back'],
    [9, 'underlay b back to underlay a back'],
    [12, 'none'],
  ])('after %i stages', (count, where) => expect(text(points, seen(count))).toBe(where));

  it('is told of what is watched alone', () => {
    const here = points.filter(({ manager }) => manager === 'a');
    expect(text(here, seen(6, here))).toBe('underlay a to underlay a back');
  });

  it('is between two pods on one node', () =>
    expect(stagesOf('endpoint', 'a', 'a').map(({ place, outgoing }) => `${place} ${outgoing}`)).toEqual([
      ...['endpoint true', 'client false', 'client true', 'endpoint false'],
    ]));
});
