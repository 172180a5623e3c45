// A forwarder in a process of its own: that it does not answer is told in words, also to clients.
import { type Channel, forwarder, NsmError } from '@nsm/api';
import type { Forwarder } from '../forwarder-client.js';

/** Milliseconds for which a forwarder that is being restarted is waited for. */
const patienceMs = 3000;

export function externalForwarder(channel: Channel): Forwarder {
  const calls = Object.entries(channel.client(forwarder.Forwarder)).map(([name, call]) => {
    const start = call as (...args: unknown[]) => object;
    return [
      name,
      (...args: unknown[]) => {
        const reply = start(...args);
        if (!(reply instanceof Promise)) {
          const { signal } = (args[1] ?? {}) as { readonly signal?: AbortSignal };
          return explained(reply as AsyncIterable<unknown>, channel, signal);
        }
        return reply
          .catch(async (thrown: unknown) => {
            const error = explain(thrown, channel);
            if (error.kind !== 'unavailable') throw error;
            await channel.ready(patienceMs);
            // Every call may be repeated.
            return await start(...args);
          })
          .catch((thrown: unknown) => {
            throw explain(thrown, channel);
          });
      },
    ];
  });
  return Object.fromEntries(calls) as Forwarder;
}

/** The replies of a call that may last. A forwarder that ends resets such calls, which arrives as cancelled. */
async function* explained(
  replies: AsyncIterable<unknown>,
  channel: Channel,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  try {
    yield* replies;
  } catch (thrown) {
    const { kind, message } = NsmError.from(thrown);
    const isReset = kind === 'cancelled' && !signal?.aborted;
    throw explain(isReset ? new NsmError('unavailable', message, thrown) : thrown, channel);
  }
}

function explain(thrown: unknown, { address }: Channel): NsmError {
  const error = NsmError.from(thrown);
  if (error.kind !== 'unavailable') return error;
  const socket = address.replace('unix:', '');
  if (/\bEACCES\b/.test(error.message))
    return new NsmError(
      'privilege',
      `the forwarder's ${socket} may not be opened by this user; start it with --group ${process.getgid?.()}`,
      error,
    );
  return new NsmError(
    'unavailable',
    `the forwarder of this node does not answer on ${socket}; is \`nsm forwarder\` running?`,
    error,
  );
}
