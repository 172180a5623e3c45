// Edits of an annotation, and what they come to.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachmentKey } from '../annotation/attachment.js';
import { parseAnnotation } from '../annotation/parse-annotation.js';
import { type Held, planFor } from './plan.js';

const uid = 'c03ff1be-0410-4679-af1c-3dbc632c6c36';

/** What a pod has after it had one annotation after the other. */
function after(...annotations: string[]): Held[] {
  let held: Held[] = [];
  for (const text of annotations) {
    const { attach, kept } = planFor(uid, parseAnnotation(text).attachments, held);
    held = [
      ...kept.values(),
      ...[...attach.values()].map(({ requestId, networkServiceName, ...request }) => ({
        requestId,
        service: networkServiceName,
        request,
      })),
    ];
  }
  return held;
}

function edit(before: string, now: string): { attach: string[]; detach: string[]; kept: string[] } {
  const { attach, detach, kept } = planFor(uid, parseAnnotation(now).attachments, after(before));
  const short = (id: string): string => id.replace(uid, 'UID');
  return {
    attach: [...attach].map(([key, { requestId }]) => `${key} ${short(requestId)}`),
    detach: detach.map(({ service, requestId }) => `${service} ${short(requestId)}`),
    kept: [...kept].map(([key, { requestId }]) => `${key} ${short(requestId)}`),
  };
}

describe('an edit of the annotation', () => {
  const nothing = { attach: [], detach: [], kept: [] };
  const cases: readonly (readonly [
    before: string,
    now: string,
    expected: Partial<ReturnType<typeof edit>>,
  ])[] = [
    ['', 'kernel://a/x', { attach: ['a/x UID'] }],
    ['', 'kernel://a/x, kernel://a/y, mem://b', { attach: ['a/x UID', 'a/y UID:2', 'b/ UID'] }],
    ['kernel://a/x', '', { detach: ['a UID'] }],
    ['kernel://a/x', 'kernel://a/x', { kept: ['a/x UID'] }],
    ['kernel://a/x, b', 'b, kernel://a/x', { kept: ['b/ UID', 'a/x UID'] }],
    // What is changed is replaced, under its id.
    ['kernel://a/x', 'kernel://a/y', { attach: ['a/y UID'] }],
    ['kernel://a/x', 'kernel://a/x?color=blue', { attach: ['a/x UID'] }],
    ['kernel://a/x', 'kernel://a/x#mtu=1400', { attach: ['a/x UID'] }],
    ['kernel://a/x', 'mem://a/x', { attach: ['a/x UID'] }],
    // A connection stays what it is whichever come and go beside it.
    ['kernel://a/x, kernel://a/y', 'kernel://a/y', { detach: ['a UID'], kept: ['a/y UID:2'] }],
    ['kernel://a/x', 'kernel://a/w, kernel://a/x', { attach: ['a/w UID:2'], kept: ['a/x UID'] }],
    [
      'kernel://a/x, kernel://a/y',
      'kernel://a/z, kernel://a/y',
      { attach: ['a/z UID'], kept: ['a/y UID:2'] },
    ],
  ];
  for (const [before, now, expected] of cases)
    it(`${before || 'nothing'} -> ${now || 'nothing'}`, () => {
      expect(edit(before, now)).toEqual({ ...nothing, ...expected });
    });
});

it('leaves alone what the pod itself has asked for', () => {
  const { attach } = planFor(
    uid,
    parseAnnotation('kernel://a/x').attachments,
    [],
    [{ service: 'a', requestId: uid }],
  );
  expect(attach.get('a/x')?.requestId).toBe(`${uid}:2`);
});

const entry = fc
  .tuple(
    fc.constantFrom('a', 'b'),
    fc.constantFrom('', '/x', '/y', '/z'),
    fc.constantFrom('', '?l=1', '#mtu=1400'),
  )
  .map((parts) => parts.join(''));
const annotation = fc
  .array(entry, { maxLength: 4 })
  .map((entries) => entries.join(','))
  .filter((text) => parseAnnotation(text).problems.length === 0);

it('whatever is edited, the pod comes to have what it asks for, each under an id of its own', () => {
  fc.assert(
    fc.property(fc.array(annotation, { minLength: 1, maxLength: 5 }), (texts) => {
      const held = after(...texts);
      const { attachments } = parseAnnotation(texts.at(-1) ?? '');
      const { attach, detach, kept } = planFor(uid, attachments, held);
      expect([...attach.keys(), ...detach]).toEqual([]);
      expect([...kept.keys()]).toEqual(attachments.map(attachmentKey));
      const ids = held.map(({ service, requestId }) => `${service} ${requestId}`);
      expect(new Set(ids).size).toBe(ids.length);
    }),
  );
});
