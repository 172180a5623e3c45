// The records over gRPC: nsmregistry.Registry.
import { create } from '@bufbuild/protobuf';
import {
  NetworkServiceEndpointSchema,
  NsmError,
  type ServiceImplementation,
  type registry as wire,
} from '@nsm/api';
import type { RecordCache } from './record-cache.js';
import type { RecordWriter } from './registry.js';

/** Events that may wait for a watcher: one that is further behind is cut off and begins anew. */
const maxBacklog = 1024;

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
  let queue: wire.RegistryEvent[] = [];
  let wake = (): void => undefined;
  let begun = false;
  let overrun = false;
  const awaken = (): void => wake();
  using _watch = cache.watch((event) => {
    overrun ||= begun && queue.length >= maxBacklog;
    if (!overrun) queue.push(event);
    wake();
  });
  const snapshot = queue;
  queue = [];
  begun = true;
  ended.addEventListener('abort', awaken);
  try {
    yield* snapshot;
    while (!ended.aborted && !overrun) {
      const events = queue;
      queue = [];
      yield* events;
      if (queue.length === 0 && !ended.aborted && !overrun) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    ended.removeEventListener('abort', awaken);
  }
  if (overrun) {
    throw new NsmError('overload', `the watch is more than ${maxBacklog} events behind; watch again`);
  }
  throw new NsmError('stopping', 'the registry is stopping');
}
