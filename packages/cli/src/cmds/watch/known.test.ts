// A watch that goes on after a break tells what has changed meanwhile, and nothing twice.
import { describe, expect, it } from 'vitest';
import { Known } from './known.js';
import { awayView, type WatchKind, type WatchView } from './watch-view.js';

const manager = (name: string, kind: WatchKind = 'present', alive = true): WatchView => ({
  kind,
  time: '2026-01-01T00:00:00.000Z',
  topic: 'managers',
  reason: '',
  manager: {
    name,
    alive,
    address: '',
    external: false,
    version: '',
    security: '',
    stopped: false,
    silent: false,
    drained: false,
  },
});
const synced: WatchView = { kind: 'synced', time: '2026-01-01T00:00:01.000Z', topic: null, reason: '' };
const told = (known: Known, ...events: WatchView[]): string[] =>
  events
    .flatMap((event) => [...known.newsOf(event)])
    .map(({ kind, manager: one }) => [kind, one?.name].filter(Boolean).join(' '));

describe('a watch', () => {
  it('tells everything the first time', () => {
    const known = new Known();
    known.begin();
    const later = [manager('b', 'changed'), manager('c')];
    expect(told(known, manager('a'), manager('b'), synced, ...later)).toEqual([
      'present a',
      'present b',
      'synced',
      'changed b',
      'added c',
    ]);
  });

  it('tells after a break what changed, came and went, and is silent of the rest', () => {
    const known = new Known();
    known.begin();
    told(known, manager('same'), manager('other'), manager('gone'), manager('before', 'removed'), synced);
    known.begin();
    const again = [manager('same'), manager('other', 'present', false), manager('new'), synced];
    expect(told(known, ...again)).toEqual(['changed other', 'added new', 'removed gone', 'synced']);
  });

  it('keeps in mind what it knows when the break comes before everything was told again', () => {
    const known = new Known();
    known.begin();
    told(known, manager('a'), manager('b'), synced);
    known.begin();
    told(known, manager('a'));
    known.begin();
    expect(told(known, awayView('gone', new Date(0)), manager('a'), manager('b'), synced)).toEqual([
      'away',
      'synced',
    ]);
  });
});
