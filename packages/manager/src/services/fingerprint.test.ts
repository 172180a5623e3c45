// Requests that ask for the same have one fingerprint, others have another.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { connect, InterfacePreference, InterfaceType, proxy } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { fingerprintOf, inNormalForm } from './fingerprint.js';

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

it('a fingerprint does not depend on the order of map fields on the wire', () => {
  const [one, other] = [
    asked({ a: '1', b: '2' }, { x: '1', y: '2' }),
    asked({ b: '2', a: '1' }, { y: '2', x: '1' }),
  ];
  expect(toBinary(schema, one)).not.toEqual(toBinary(schema, other));
  expect(fingerprintOf(schema, one)).toBe(fingerprintOf(schema, other));
});

it('a fingerprint depends on what is asked for, and for whom', () => {
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

describe("a client's request", () => {
  const { KERNEL_INTERFACE: KERNEL, MEM_INTERFACE: MEM } = InterfaceType;
  const { FIRST, SECOND, NO_PREFERENCE } = InterfacePreference;
  const print = (request: MessageInitShape<typeof connect.ConnectionRequestSchema>): string =>
    fingerprintOf(
      connect.ConnectionRequestSchema,
      inNormalForm(create(connect.ConnectionRequestSchema, request)),
    );
  const [kernel, mem] = [
    { type: KERNEL, preference: FIRST },
    { type: MEM, preference: SECOND },
  ];

  it('asks for the same when a list has another order and the same preferences', () => {
    expect(print({ interface: [mem, kernel] })).toBe(print({ interface: [kernel, mem] }));
    const open = [kernel, mem].map((one) => ({ ...one, preference: NO_PREFERENCE }));
    expect(print({ interface: open.toReversed() })).not.toBe(print({ interface: open }));
  });

  it('asks for the same when an empty message is left out', () => {
    const parameters = { interfaceParameters: {} };
    expect(print({ labels: {}, interface: [{ ...kernel, parameters }] })).toBe(
      print({ interface: [kernel] }),
    );
    expect(print({ labels: { selector: { a: '' } } })).not.toBe(print({}));
  });
});
