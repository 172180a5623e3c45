// What is there when a watch begins, in few messages: with a thousand managers, each of ten thousand records travels a thousand times.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { registry as wire } from '@nsm/api';

/** Bytes of one message, about. */
const messageBytes = 256 * 1024;

/** By record: the same for all watchers. */
const encodedOf = new WeakMap<object, Uint8Array>();

/** Makes each message when it is asked for: a slow watcher holds no encoded copy of them all. */
export function* gathered(events: readonly wire.RegistryEvent[]): Generator<wire.RegistryEvent> {
  let writer = new BinaryWriter();
  let bytes = 0;
  const message = (): wire.RegistryEvent =>
    create(wire.RegistryEventSchema, { event: { case: 'many', value: writer.finish() } });
  for (const event of events) {
    const one = encoded(event);
    writer.tag(wire.RegistryEventsSchema.field.events.number, WireType.LengthDelimited).bytes(one);
    bytes += one.length;
    if (bytes < messageBytes) continue;
    yield message();
    writer = new BinaryWriter();
    bytes = 0;
  }
  if (bytes > 0) yield message();
}

/** What is in a message; one that is not gathered is alone. */
export function ungathered(event: wire.RegistryEvent): readonly wire.RegistryEvent[] {
  return event.event.case === 'many'
    ? fromBinary(wire.RegistryEventsSchema, event.event.value).events
    : [event];
}

function encoded(event: wire.RegistryEvent): Uint8Array {
  const record = event.event.value;
  if (typeof record !== 'object') return toBinary(wire.RegistryEventSchema, event);
  const present = encodedOf.get(record);
  if (present) return present;
  const bytes = toBinary(wire.RegistryEventSchema, event);
  encodedOf.set(record, bytes);
  return bytes;
}
