// The records over gRPC: nsmregistry.Registry.
import { create } from '@bufbuild/protobuf';
import {
  Backlog,
  NetworkServiceEndpointSchema,
  NsmError,
  type ServiceImplementation,
  type registry as wire,
} from '@nsm/api';
import { failuresOf } from './gathered-writes.js';
import type { RecordCache } from './record-cache.js';
import type { RecordWriter } from './registry.js';

/**
 * Events that may wait for a watcher: one that is further behind is cut off and begins anew. An endpoint may come, or go, with
 * thousands of services at once.
 */
const maxBacklog = 16_384;

/** `stopped` ends the watches. */
export function serveRecords(
  writer: RecordWriter,
  cache: RecordCache,
  stopped: AbortSignal,
): ServiceImplementation<typeof wire.Registry> {
  return {
    async registerManager({ manager, leaseMs }) {
      if (!manager) throw new NsmError('invalid', 'manager is missing');
      await writer.registerManager(manager, leaseMs);
      return {};
    },
    async removeManager({ name }) {
      await writer.removeManager(name);
      return {};
    },
    async endLease({ name }) {
      await writer.endLease(name);
      return {};
    },
    async registerEndpoint({ endpoint }) {
      await writer.registerEndpoint(endpoint ?? create(NetworkServiceEndpointSchema));
      return {};
    },
    async removeEndpoint(key) {
      await writer.removeEndpoint(key);
      return {};
    },
    async writeEndpoints({ writes }) {
      const outcomes = writes.map(async ({ write }) => {
        if (write.case === 'put') await writer.registerEndpoint(write.value);
        else if (write.case === 'removal') await writer.removeEndpoint(write.value);
        else throw new NsmError('invalid', 'a write of neither kind');
      });
      return { failures: await failuresOf(outcomes) };
    },
    async claim({ name, holder }) {
      return { holder: await writer.claim(name, holder) };
    },
    async releaseClaim({ name, holder }) {
      await writer.releaseClaim(name, holder);
      return {};
    },
    watch: (_, { signal }) => follow(cache, AbortSignal.any([signal, stopped])),
  };
}

async function* follow(cache: RecordCache, ended: AbortSignal): AsyncGenerator<wire.RegistryEvent> {
  if (!cache.synced) throw new NsmError('stopping', 'the registry is not running');
  const snapshot: wire.RegistryEvent[] = [];
  const backlog = new Backlog<wire.RegistryEvent>(() => maxBacklog);
  let begun = false;
  using _watch = cache.watch((event) => {
    if (begun) backlog.push(event);
    else snapshot.push(event);
  });
  begun = true;
  yield* snapshot;
  yield* backlog.read(ended);
  throw new NsmError('stopping', 'the registry is stopping');
}
