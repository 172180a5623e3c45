// A forwarder in a process of its own: what its silence means is told in words, also to clients.
import { type Channel, forwarder, NsmError } from '@nsm/api';
import type { Forwarder } from '../admission/namespace-guard.js';

export function externalForwarder(channel: Channel): Forwarder {
  const calls = Object.entries(channel.client(forwarder.Forwarder)).map(([name, call]) => [
    name,
    (...args: Parameters<typeof call>) => {
      const reply = (call as (...args: unknown[]) => object)(...args);
      return reply instanceof Promise
        ? reply.catch((thrown: unknown) => {
            throw explain(thrown, channel.address.replace('unix:', ''));
          })
        : reply;
    },
  ]);
  return Object.fromEntries(calls) as Forwarder;
}

function explain(thrown: unknown, socket: string): NsmError {
  const error = NsmError.from(thrown);
  if (error.kind !== 'unavailable') return error;
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
