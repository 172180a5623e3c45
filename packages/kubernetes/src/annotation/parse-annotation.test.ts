// What annotations mean, those of the original Network Service Mesh included, and where they are wrong.
import { interfaceWords } from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attachment } from './attachment.js';
import { formatAnnotation } from './format-annotation.test.support.js';
import { parseAnnotation } from './parse-annotation.js';

const plain = { type: 'kernel', labels: {}, parameters: {}, mode: 'node' } as const;

describe('what an annotation asks for', () => {
  const cases: Record<string, readonly Partial<Attachment>[]> = {
    '': [],
    '  ': [],
    'kernel://secure-gateway/nsm-1?color=blue, mem://fast': [
      { service: 'secure-gateway', interfaceName: 'nsm-1', labels: { color: 'blue' } },
      { service: 'fast', type: 'mem' },
    ],
    'kernel://gw#mtu=1400&routes=10.0.0.0%2F8%2C10.1.0.0%2F16': [
      { service: 'gw', parameters: { mtu: '1400', routes: '10.0.0.0/8,10.1.0.0/16' } },
    ],
    'kernel://gw/nsm-1?mode=init&a=b': [
      { service: 'gw', interfaceName: 'nsm-1', labels: { a: 'b' }, mode: 'init' },
    ],
    'kernel://gw/a,kernel://gw/b': [
      { service: 'gw', interfaceName: 'a' },
      { service: 'gw', interfaceName: 'b' },
    ],
    // Of the original, as it is and as it was.
    'kernel://my-service@nsm/ms1': [{ service: 'my-service', interfaceName: 'ms1' }],
    'kernel://private-bridge.some-namespace/nsm-1': [
      { service: 'private-bridge.some-namespace', interfaceName: 'nsm-1' },
    ],
    'memif://my-vpp-service?A=1&B=2': [
      { service: 'my-vpp-service', type: 'mem', labels: { A: '1', B: '2' } },
    ],
    'vfio://second-service?sriovToken=intel/10G': [
      { service: 'second-service', type: 'sriov', parameters: { pool: '10G' } },
    ],
    'kernel://db/nsm-1?sriovToken=worker.domain/100G': [
      { service: 'db', type: 'sriov', interfaceName: 'nsm-1', parameters: { pool: '100G' } },
    ],
    'icmp-responder?app=icmp': [{ service: 'icmp-responder', labels: { app: 'icmp' } }],
    'lte-network/s5u1?link=s5u,lte-network/s5c1?link=s5c': [
      { service: 'lte-network', interfaceName: 's5u1', labels: { link: 's5u' } },
      { service: 'lte-network', interfaceName: 's5c1', labels: { link: 's5c' } },
    ],
  };
  for (const [text, expected] of Object.entries(cases))
    it(JSON.stringify(text), () => {
      expect(parseAnnotation(text)).toEqual({
        attachments: expected.map((one) => ({ ...plain, ...one })),
        problems: [],
      });
    });
});

describe('where an annotation is wrong', () => {
  const cases: readonly (readonly [text: string, column: number, message: RegExp])[] = [
    ['kernel://a, ,mem://b', 13, /no network service here/],
    ['kernel://a,', 12, /no network service here/],
    ['wireguard://a', 1, /"wireguard" is no type of interface; types: default, kernel/],
    ['kernel://a, karnel://b', 13, /"karnel" is no type/],
    ['kernel:///nsm-1', 10, /name of a network service/],
    ['kernel://-a', 10, /name of a network service/],
    ['kernel:/a', 1, /name of a network service/],
    ['kernel://a@elsewhere/x', 12, /"elsewhere" is another domain, and this mesh is "nsm"/],
    ['kernel://a/', 12, /cannot name an interface|has a "%"/],
    ['kernel://a/b/c', 12, /cannot name an interface|has a "%"/],
    ['kernel://a/nsm-1234567890123', 12, /cannot name an interface|has a "%"/],
    ['kernel://a?x', 12, /KEY=VALUE/],
    ['kernel://a?x=1&=2', 16, /KEY=VALUE/],
    ['kernel://a?x=a%2', 14, /hexadecimal/],
    ['kernel://a?x=a b', 14, /value of a label/],
    ['kernel://a?x y=1', 12, /key of a label/],
    ['kernel://a?x=1&x=2', 16, /twice/],
    ['kernel://a?mode=often', 17, /modes: node, init, sidecar/],
    ['kernel://a#name=x', 12, /SERVICE\/NAME/],
    ['kernel://a#mtu=1&mtu=2', 18, /twice/],
    ['kernel://a/x,kernel://b/x', 14, /"x" is named twice/],
    ['kernel://a, kernel://a', 13, /"a" is asked for twice/],
    // A character counts once, however many units or bytes it has.
    ['kernel://a?x=\u{1f600}, b://c', 14, /value of a label/],
  ];
  for (const [text, column, message] of cases)
    it(`${JSON.stringify(text)}, column ${column}`, () => {
      const { attachments, problems } = parseAnnotation(text);
      expect(attachments).toEqual([]);
      expect(problems[0]).toEqual({ column, message: expect.stringMatching(message) });
    });

  it('tells of every entry', () => {
    const { problems } = parseAnnotation('\u{1f600}://a, kernel://b, x://c');
    expect(problems.map(({ column }) => column)).toEqual([1, 20]);
  });
});

const word = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?$/);
const attachment: fc.Arbitrary<Attachment> = fc
  .record({
    service: word,
    type: fc.constantFrom(...Object.values(interfaceWords)),
    interfaceName: fc
      .stringMatching(/^[a-z][a-z0-9.@#?&,-]{0,13}[a-z0-9]$/)
      .map((name) => name.replace(/[#?,]/g, '-')),
    labels: fc.dictionary(
      fc.stringMatching(/^l[A-Za-z0-9._/-]{1,20}$/),
      fc.stringMatching(/^[A-Za-z0-9._-]{0,63}$/),
    ),
    parameters: fc.dictionary(fc.stringMatching(/^p[\w.-]{1,20}$/), fc.stringMatching(/^[ -~]{0,60}$/)),
    mode: fc.constantFrom('node' as const, 'init' as const, 'sidecar' as const),
  })
  .map((one) => (one.interfaceName.length > 12 ? without(one) : one));

function without({ interfaceName: _, ...rest }: Attachment): Attachment {
  return rest;
}

const annotation = fc.uniqueArray(attachment, {
  maxLength: 8,
  comparator: (one, other) =>
    one.service === other.service ||
    (one.interfaceName !== undefined && one.interfaceName === other.interfaceName),
});

describe('for every annotation', () => {
  it('what is written is read, with white space between entries or without', () => {
    fc.assert(
      fc.property(annotation, fc.constantFrom(',', ', ', ' ,\n\t'), (attachments, separator) => {
        const text = attachments.map((one) => formatAnnotation([one])).join(separator);
        expect(parseAnnotation(text)).toEqual({ attachments, problems: [] });
      }),
    );
  });

  it('any text has a meaning, or problems at columns of it', () => {
    const likely = fc.array(
      fc.constantFrom(
        'kernel',
        'mem',
        '://',
        'a',
        'b',
        '/',
        '?',
        '#',
        '&',
        '=',
        ',',
        '@',
        '%',
        ' ',
        '\u{1f600}',
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          likely.map((parts) => parts.join('')),
        ),
        (text) => {
          const { attachments, problems } = parseAnnotation(text);
          const length = [...text].length;
          const isPlaced = problems.every(({ column }) => column >= 1 && column <= length + 1);
          const again = parseAnnotation(formatAnnotation(attachments));
          expect(again.attachments).toEqual(attachments);
          return isPlaced && (problems.length === 0 || attachments.length === 0);
        },
      ),
      { numRuns: 200 },
    );
  });
});
