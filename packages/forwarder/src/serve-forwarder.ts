// The forwarder as a process of its own: the manager beside it then needs no privilege.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { forwarder as fw, Server } from '@nsm/api';
import type { Metrics } from '@nsm/observe';
import { countForwarder } from './forwarder-metrics.js';
import { NodeForwarder, type NodeForwarderOptions } from './node-forwarder.js';
import { whatIsOutOfReach } from './privileges.js';

/** Bytes: a cross-connect with the most routes on both sides has 3 MB. Only the manager sends. */
const maxRequestBytes = 16 << 20;

export interface ServedForwarder {
  readonly socket: string;
  stop(): Promise<void>;
}

export interface ServeForwarderOptions extends NodeForwarderOptions {
  /** Folder of the socket, `forwarder.sock`. Only the owner, and the manager if it is the same user, may connect. */
  readonly runDir: string;
  /** Hears of internal errors, and of too many connections. */
  readonly logger?: Readonly<Record<'error' | 'warn', (fields: object, message: string) => void>>;
  /** Numeric group that may connect too, for a manager of another user. Default: none. */
  readonly group?: number;
  /** Where its calls are counted. Default: nowhere. */
  readonly metrics?: Metrics;
}

/** @throws NsmError `conflict` when another forwarder serves that folder, `privilege` without the capabilities. */
export async function serveForwarder({
  runDir,
  logger,
  group,
  metrics,
  ...options
}: ServeForwarderOptions): Promise<ServedForwarder> {
  mkdirSync(runDir, { recursive: true });
  const socket = join(runDir, 'forwarder.sock');
  const node = new NodeForwarder({ ...options, runDir });
  const lacks = whatIsOutOfReach();
  if (lacks !== '') logger?.warn({}, lacks);
  const server = new Server((error, method) => logger?.error({ err: error, method }, 'internal error'), {
    maxRequestBytes,
    onCrowd: (error) => logger?.warn({ err: error }, 'connections are refused'),
  });
  server.add(fw.Forwarder, node);
  metrics?.add(countForwarder((listener) => server.onCall(listener)));
  try {
    await server.listenUnix(socket, group === undefined ? {} : { mode: 0o660, group });
  } catch (error) {
    await node.stop();
    throw error;
  }
  return {
    socket,
    async stop(): Promise<void> {
      await server.stop();
      await node.stop();
    },
  };
}
