// From where a side may send: its addresses, and what the other side reaches through it.
import { create } from '@bufbuild/protobuf';
import { ConnectionParametersSchema, InterfaceSchema, InterfaceType } from '@nsm/api';
import { expect, it } from 'vitest';
import { reachedThrough, sourcesOf } from './sources.js';

const kernel = create(InterfaceSchema, { type: InterfaceType.KERNEL_INTERFACE });
const client = create(ConnectionParametersSchema, {
  addresses: ['10.60.1.1/31', 'fd60::1/127'],
  peerAddresses: ['10.60.1.0', '10.9.9.9'],
  route: ['0.0.0.0/0'],
});
const endpoint = create(ConnectionParametersSchema, {
  addresses: ['10.60.1.0/31', 'fd60::/127'],
  peerAddresses: ['10.60.1.1'],
  route: ['192.0.2.0/24'],
});

it('a side may send from what was agreed on', () => {
  expect(sourcesOf(kernel, client, endpoint)?.prefixes).toEqual([
    ...['10.60.1.1/32', 'fd60::1/128', '192.0.2.0/24'],
  ]);
  // An endpoint answers on another of its devices, too, and a gateway sends for everybody.
  expect(sourcesOf(kernel, endpoint, client)?.prefixes).toEqual([
    ...['10.60.1.0/32', 'fd60::/128', '10.9.9.9/32', '0.0.0.0/0'],
  ]);
  expect(reachedThrough(endpoint)).toEqual(['10.60.1.1/32', '192.0.2.0/24']);
  expect(
    sourcesOf(kernel, create(ConnectionParametersSchema), create(ConnectionParametersSchema))?.prefixes,
  ).toEqual([]);
});

it('sources are not checked where a side asks for that, or its device is on a network of its own', () => {
  const off = create(InterfaceSchema, {
    type: InterfaceType.KERNEL_INTERFACE,
    parameters: { interfaceParameters: { source_check: 'off' } },
  });
  expect(sourcesOf(off, client, endpoint)).toBeUndefined();
  const lent = create(InterfaceSchema, { type: InterfaceType.HW_INTERFACE });
  expect(sourcesOf(lent, client, endpoint)).toBeUndefined();
});
