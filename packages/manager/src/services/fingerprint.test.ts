// Requests that ask for the same have one fingerprint, others have another.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { proxy } from '@nsm/api';
import { expect, it } from 'vitest';
import { fingerprintOf } from './fingerprint.js';

const schema = proxy.ProxyConnectionRequestSchema;
type Selector = Record<string, string>;
const asked = (selector: Selector, interfaceParameters: Selector = {}) => {
  const request: MessageInitShape<typeof schema> = {
    requestId: 'pod-1',
    labels: { selector },
    interface: [{ parameters: { interfaceParameters } }],
  };
  return fromBinary(schema, toBinary(schema, create(schema, request)));
};

it('does not depend on the order of map fields on the wire', () => {
  const [one, other] = [
    asked({ a: '1', b: '2' }, { x: '1', y: '2' }),
    asked({ b: '2', a: '1' }, { y: '2', x: '1' }),
  ];
  expect(toBinary(schema, one)).not.toEqual(toBinary(schema, other));
  expect(fingerprintOf(schema, one)).toBe(fingerprintOf(schema, other));
});

it('depends on what is asked for, and for whom', () => {
  const request = asked({ a: '1' });
  const owner = { namespace: 1, process: { pid: 2, startTime: 3 } };
  const prints = [
    fingerprintOf(schema, request),
    fingerprintOf(schema, asked({ a: '2' })),
    fingerprintOf(schema, asked({}, { a: '1' })),
    fingerprintOf(schema, request, owner),
    fingerprintOf(schema, request, { ...owner, namespace: 2 }),
  ];
  expect(new Set(prints).size).toBe(prints.length);
});
