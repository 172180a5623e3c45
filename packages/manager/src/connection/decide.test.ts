// The table of decisions: every row by itself, what holds for all of them, and that docs/architecture.md shows what the code says.
import { readFileSync } from 'node:fs';
import { InterfaceType } from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Connection, Intent, Phase, Role } from '../state/connection.js';
import { decide, rows, type Situation, type Step, steps } from './decide.js';
import { type Facts, noFacts } from './facts.js';
import type { ConnectOrder } from './orders.js';
import { serve } from './serve.js';

const nowMs = 1000;
const closed: Intent = { kind: 'closed', reason: 'closed by the client', tell: 'peer' };
const phases: Record<Phase['kind'], Phase> = {
  CONNECTING: { kind: 'CONNECTING' },
  UP: { kind: 'UP' },
  WAITING: { kind: 'WAITING', reason: 'no packets', attempt: 1 },
  DETACHING: { kind: 'DETACHING', reason: 'endpoint gone' },
  LOST: { kind: 'LOST', reason: 'endpoint gone', attempt: 0 },
  REMOVED: { kind: 'REMOVED' },
};

function connection(
  phase: Phase['kind'],
  more: Partial<Connection> = {},
  type: InterfaceType = InterfaceType.KERNEL_INTERFACE,
): Connection {
  return {
    id: 'node:1-a',
    key: 'service/pod',
    role: 'CLIENT',
    fingerprint: 'as asked',
    generation: 1,
    owner: { namespace: 1 },
    intent: { kind: 'connected' },
    phase: phases[phase],
    crossConnect: { client: { type } },
    ...more,
  } as unknown as Connection;
}

function situation(one: Connection, facts: Partial<Facts> = {}, replaced?: Connection): Situation {
  return { connection: one, facts: { ...noFacts(), ...facts }, nowMs, ...(replaced ? { replaced } : {}) };
}

const later = { retryAtMs: nowMs + 50 };
const avoid = (): boolean => false;
const pathFailure = { reason: 'no packets come back', avoid, elsewhere: true };
const compare = { reason: 'changed', answerWithinMs: 0 };
const beside = { replaces: { id: 'old', interfaceName: 'nsm0' } };

const cases: [string, Situation, Step][] = [
  [
    'a closed one waits after a failure',
    situation(connection('UP', { intent: closed }), later),
    { do: 'rest', untilMs: nowMs + 50 },
  ],
  [
    'a closed one is removed, whatever there is of it',
    situation(connection('LOST', { intent: closed })),
    { do: 'remove' },
  ],
  [
    'a closed one that is being made is removed',
    situation(connection('CONNECTING', { intent: closed })),
    { do: 'remove' },
  ],
  [
    'a closed one needs nothing that happened',
    situation(connection('UP', { intent: closed }), { lost: 'gone', pathFailure, compare }),
    { do: 'remove' },
  ],
  ['a removed one is told of', situation(connection('REMOVED', { intent: closed })), { do: 'tell' }],
  [
    'a removed one is told of again later',
    situation(connection('REMOVED', { intent: closed }), later),
    { do: 'rest', untilMs: nowMs + 50 },
  ],
  [
    "an endpoint's half that is lost ends, and its client is connected elsewhere",
    situation(connection('UP', { role: 'ENDPOINT' }), { lost: 'gone' }),
    { do: 'end', reason: 'gone', tell: 'reconnect' },
  ],
  [
    "a client's that is lost is detached",
    situation(connection('UP'), { lost: 'gone' }),
    { do: 'detach', reason: 'gone' },
  ],
  [
    'so is one that waits for packets',
    situation(connection('WAITING'), { lost: 'gone' }),
    { do: 'detach', reason: 'gone' },
  ],
  [
    'so is one that a restart finds in the making',
    situation(connection('CONNECTING'), { lost: 'gone' }),
    { do: 'detach', reason: 'gone' },
  ],
  [
    'one in the making ends when its client still has the other',
    situation(connection('CONNECTING', beside), { lost: 'gone' }, connection('UP')),
    { do: 'end', reason: 'gone', tell: 'peer' },
  ],
  [
    'a restart in the middle of detaching goes on with it',
    situation(connection('DETACHING')),
    { do: 'detach', reason: 'endpoint gone' },
  ],
  ['a detached one is reconnected at once', situation(connection('LOST')), { do: 'reconnect' }],
  ['and later where that failed', situation(connection('LOST'), later), { do: 'rest', untilMs: nowMs + 50 }],
  [
    'one that a restart finds in the making must answer',
    situation(connection('CONNECTING')),
    { do: 'verify' },
  ],
  [
    "one that was kept from taking another's place does so",
    situation(connection('UP', beside)),
    { do: 'promote' },
  ],
  [
    'and is otherwise looked after while that fails',
    situation(connection('UP', beside), { ...later, compare }),
    { do: 'compare' },
  ],
  [
    'a silent one moves where others can take its client',
    situation(connection('UP'), { pathFailure }),
    { do: 'evade', pathFailure },
  ],
  [
    'a silent one that cannot be there twice is made anew',
    situation(connection('UP', {}, InterfaceType.MEM_INTERFACE), { pathFailure }),
    { do: 'detach', reason: pathFailure.reason },
  ],
  [
    'a silent one that nobody can take waits',
    situation(connection('UP'), { pathFailure: { ...pathFailure, elsewhere: false } }),
    {
      do: 'await-packets',
      reason: `${pathFailure.reason}; waiting, as no other endpoint can take its client`,
    },
  ],
  [
    'one that waits is verified when its node is heard',
    situation(connection('WAITING'), { heard: true }),
    { do: 'verify' },
  ],
  ['one that is up need not hear of it', situation(connection('UP'), { heard: true }), { do: 'rest' }],
  ['one that may differ is compared', situation(connection('UP'), { compare }), { do: 'compare' }],
  [
    'not before somebody who undoes it has had time',
    situation(connection('UP'), { compare, compareAtMs: nowMs + 9 }),
    { do: 'rest', untilMs: nowMs + 9 },
  ],
  [
    'nor before it is to be looked at again',
    situation(connection('UP'), { compare: { ...compare, notBeforeMs: nowMs + 7 } }),
    { do: 'rest', untilMs: nowMs + 7 },
  ],
  [
    'what is lost is not compared first',
    situation(connection('UP'), { compare, lost: 'gone' }),
    { do: 'detach', reason: 'gone' },
  ],
  [
    'what the other manager tells of its half is taken down',
    situation(connection('UP'), { contestedThere: 'undone' }),
    { do: 'note', contestedThere: 'undone' },
  ],
  ['one that is up rests', situation(connection('UP')), { do: 'rest' }],
];

describe('decide', () => {
  it.each(cases)('%s', (_, given, step) => expect(decide(given)).toEqual(step));

  it('has no row that nothing leads to', () => {
    const used = new Set(cases.map(([, given]) => rows.find((row) => row.step(given) && fits(row, given))));
    expect(rows.filter((row) => !used.has(row)).map(({ when }) => when)).toEqual([]);
  });

  const facts = fc.record({
    lost: fc.option(fc.constant('gone'), { nil: undefined }),
    pathFailure: fc.option(
      fc.record({ reason: fc.constant('no packets'), avoid: fc.constant(avoid), elsewhere: fc.boolean() }),
      {
        nil: undefined,
      },
    ),
    heard: fc.option(fc.constant(true as const), { nil: undefined }),
    compare: fc.option(fc.constant(compare), { nil: undefined }),
    compareAtMs: fc.constantFrom(0, nowMs, nowMs + 10),
    retryAtMs: fc.constantFrom(0, nowMs, nowMs + 10),
  });
  const anyone = fc
    .record({
      phase: fc.constantFrom(...(Object.keys(phases) as Phase['kind'][])),
      role: fc.constantFrom<Role>('LOCAL', 'CLIENT', 'ENDPOINT'),
      closed: fc.boolean(),
      beside: fc.boolean(),
      type: fc.constantFrom(InterfaceType.KERNEL_INTERFACE, InterfaceType.MEM_INTERFACE),
      facts,
    })
    .filter(({ phase, closed: ends }) => phase !== 'REMOVED' || ends);

  it('never sleeps through something: what rests is woken later, or has nothing to do', () => {
    fc.assert(
      fc.property(anyone, ({ phase, role, closed: ends, beside: stands, type, facts: happened }) => {
        const one = connection(
          phase,
          { role, ...(ends ? { intent: closed } : {}), ...(stands ? beside : {}) },
          type,
        );
        const step = decide(situation(one, happened as Partial<Facts>));
        if (ends) expect(['remove', 'tell', 'rest']).toContain(step.do);
        if (step.do !== 'rest') return;
        if (step.untilMs === undefined) {
          expect(phase === 'UP' || phase === 'WAITING').toBe(true);
          expect([happened.lost, happened.pathFailure, happened.compare]).toEqual([
            undefined,
            undefined,
            undefined,
          ]);
        } else expect(step.untilMs).toBeGreaterThan(nowMs);
      }),
    );
  });

  it('is what docs/architecture.md shows', () => {
    const shown = readFileSync(new URL('../../../../docs/architecture.md', import.meta.url), 'utf8');
    const table = rows.map(
      ({ intent, phases: of, when, does }) =>
        `| ${intent} | ${of.join(', ')} | ${when || 'always'} | ${steps[does]} |`,
    );
    const [, inDocs = ''] = /<!-- decide -->\n(.*)\n<!-- \/decide -->/s.exec(shown) ?? [];
    expect(inDocs.split('\n').slice(2)).toEqual(table);
  });
});

function fits(row: (typeof rows)[number], given: Situation): boolean {
  const { intent, phase } = given.connection;
  const first = rows.find(
    (other) =>
      other.intent === intent.kind && other.phases.includes(phase.kind) && (other.holds?.(given) ?? true),
  );
  return first === row;
}

describe('serve', () => {
  const order = (more: Partial<ConnectOrder> = {}): ConnectOrder => ({
    kind: 'connect',
    fingerprint: 'as asked',
    signal: new AbortController().signal,
    make: async () => connection('UP'),
    ...more,
  });
  const half = { role: 'ENDPOINT' } as const;

  it.each([
    ['makes what is not there', order(), undefined, 'make'],
    ['makes what is closed anew', order(), connection('UP', { intent: closed }), 'make'],
    ['confirms what is up as asked', order(), connection('UP'), 'confirm'],
    ['reconnects at once what is lost', order(), connection('LOST'), 'reconnect'],
    ['reconnects at once what waits for packets', order(), connection('WAITING'), 'reconnect'],
    [
      'puts another in the place of one that was asked for otherwise',
      order({ fingerprint: 'other' }),
      connection('UP'),
      'replace',
    ],
    ["confirms a half for its client's manager", order(), connection('UP', half), 'confirm'],
    [
      'makes a half anew that is not as asked',
      order({ fingerprint: 'other' }),
      connection('UP', half),
      'close-and-make',
    ],
  ] as const)('%s', (_, given, newest, service) => expect(serve(given, newest)).toBe(service));

  it('closes what there is, once', () => {
    const close = { kind: 'close', reason: 'closed', tell: 'peer' } as const;
    expect(serve(close, connection('UP'))).toBe('close');
    expect(serve(close, connection('REMOVED', { intent: closed }))).toBe('done');
    expect(serve(close, undefined)).toBe('done');
  });

  it('moves what can be there twice, and loses the rest', () => {
    const move = { kind: 'move', id: 'node:1-a', reason: 'it leaves', avoid: () => true } as const;
    expect(serve(move, connection('UP'))).toBe('move');
    expect(serve(move, connection('UP', {}, InterfaceType.VHOST_INTERFACE))).toBe('lose');
    expect(serve({ ...move, id: 'moved already' }, connection('UP'))).toBe('done');
    expect(serve(move, connection('UP', half))).toBe('done');
  });
});
