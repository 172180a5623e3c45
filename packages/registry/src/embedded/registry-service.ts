// The records over gRPC: nsmregistry.Registry.
import {
  Backlog,
  type CallContext,
  NsmError,
  type ServiceImplementation,
  type registry as wire,
} from '@nsm/api';
import { gathered } from '../records/gathered-events.js';
import { ownEndpoint, ownName, ownRemoval } from '../records/own-records.js';
import type { RecordCache } from '../records/record-cache.js';
import type { RecordWriter } from '../registry.js';
import { Watches } from './watches.js';

/**
 * Events that may wait for a watcher: one that is further behind is cut off and begins anew. An endpoint may come, or go, with
 * thousands of services at once.
 */
const usualBacklog = 16_384;

/** @param stopped ends the watches. @param maxBacklog Default: 16384. */
export function serveRecords(
  writer: RecordWriter,
  cache: RecordCache,
  stopped: AbortSignal,
  maxBacklog: number = usualBacklog,
): ServiceImplementation<typeof wire.Registry> {
  const watches = new Watches();
  return {
    async registerManager({ manager, leaseMs }, { identity }) {
      if (!manager) throw new NsmError('invalid', 'manager is missing');
      const name = ownName(cache, identity, manager.name);
      await writer.registerManager({ ...manager, name, trustDomain: identity?.domain ?? '' }, leaseMs);
      return {};
    },
    async removeManager({ name }, { identity }) {
      await writer.removeManager(ownName(cache, identity, name));
      return {};
    },
    async endLease({ name }, { identity }) {
      await writer.endLease(ownName(cache, identity, name));
      return {};
    },
    async registerEndpoint({ endpoint }, { identity }) {
      await writer.registerEndpoint(ownEndpoint(cache, identity, endpoint));
      return {};
    },
    async removeEndpoint(removal, { identity }) {
      await writer.removeEndpoint(ownRemoval(cache, identity, removal));
      return {};
    },
    async writeEndpoints({ writes }, { identity }) {
      const outcomes = writes.map(async ({ write }) => {
        if (write.case === 'put') await writer.registerEndpoint(ownEndpoint(cache, identity, write.value));
        else if (write.case === 'removal')
          await writer.removeEndpoint(ownRemoval(cache, identity, write.value));
        else throw new NsmError('invalid', 'a write of neither kind');
      });
      return { failures: await failuresOf(outcomes) };
    },
    async claim({ name, holder }, { identity }) {
      return { holder: await writer.claim(name, ownName(cache, identity, holder)) };
    },
    async releaseClaim({ name, holder }, { identity }) {
      await writer.releaseClaim(name, ownName(cache, identity, holder));
      return {};
    },
    watch: ({ many }, context) => follow(cache, watches, context, { stopped, many, maxBacklog }),
  };
}

async function* follow(
  cache: RecordCache,
  watches: Watches,
  context: CallContext,
  {
    stopped,
    many,
    maxBacklog,
  }: { readonly stopped: AbortSignal; readonly many: boolean; readonly maxBacklog: number },
): AsyncGenerator<wire.RegistryEvent> {
  if (!cache.synced) throw new NsmError('stopping', 'the registry is not running');
  using own = watches.begin(context);
  const ended = AbortSignal.any([context.signal, stopped, own.signal]);
  const snapshot: wire.RegistryEvent[] = [];
  const backlog = new Backlog<wire.RegistryEvent>(() => maxBacklog);
  let begun = false;
  using _watch = cache.watch((event) => {
    if (begun) backlog.push(event);
    else snapshot.push(event);
  });
  begun = true;
  yield* many ? gathered(snapshot) : snapshot;
  // The watch may last for months.
  snapshot.length = 0;
  yield* backlog.read(ended);
  own.signal.throwIfAborted();
  throw new NsmError('stopping', 'the registry is stopping');
}

/** Why each failed, '' where it did not. */
async function failuresOf(writes: readonly Promise<unknown>[]): Promise<string[]> {
  return (await Promise.allSettled(writes)).map((outcome) =>
    outcome.status === 'fulfilled' ? '' : NsmError.from(outcome.reason).toAdmissionError(),
  );
}
