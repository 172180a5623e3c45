// Events that share a message.
import { create, toBinary } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema, registry as wire } from '@nsm/api';
import { expect, it } from 'vitest';
import { endpoint } from '../compliance/compliance-harness.js';
import { gathered, ungathered } from './gathered-events.js';

const events = (count: number): wire.RegistryEvent[] => [
  ...Array.from({ length: count }, (_, n) =>
    create(wire.RegistryEventSchema, {
      event: { case: 'endpointPut', value: create(NetworkServiceEndpointSchema, endpoint(`fw-${n}`)) },
    }),
  ),
  create(wire.RegistryEventSchema, { event: { case: 'synced', value: true } }),
];

it('come out as they went in, in few messages of bounded size', () => {
  const all = events(10_000);
  const messages = [...gathered(all)];
  expect(messages.length).toBeLessThan(10);
  for (const message of messages)
    expect(toBinary(wire.RegistryEventSchema, message).length).toBeLessThan(400 * 1024);
  expect(messages.flatMap(ungathered)).toEqual(all);
});

it('are alone where there is one, or none', () => {
  const [event] = events(0);
  expect([...gathered(events(0))].flatMap(ungathered)).toEqual([event]);
  expect(ungathered(event!)).toEqual([event]);
  expect([...gathered([])]).toEqual([]);
});
