// connect(): asks the node's manager for a network service by name.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { NsmError, connect as wire } from '@nsm/api';
import { requestIdFromEnvironment, runDirFromEnvironment } from './config.js';
import { Connection } from './connection.js';
import { type ConnectionDetails, connectionDetails } from './connection-details.js';
import { type InterfaceOption, interfaceFields } from './interfaces.js';
import { type CallLimits, ManagerLink } from './manager-link.js';
import { ManagerSession } from './manager-session.js';
import { ownNamespace } from './own-namespace.js';
import { inTrace, type TracingOptions, tracedCourses } from './tracing.js';

export interface ConnectOptions extends TracingOptions {
  /** Name of the network service. */
  readonly service: string;
  /** With `service` the key of the connection. Default: NSM_REQUEST_ID, POD_UID, or a new UUID. */
  readonly requestId?: string | undefined;
  /** In order of preference. Default: `['kernel']`. */
  readonly interfaces?: readonly InterfaceOption[] | undefined;
  /** Only endpoints that carry all of them are chosen. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What ends the connection besides close(): this process (the default), or the network namespace. */
  readonly lifetime?: 'process' | 'namespace' | undefined;
  /** Folder of the manager's sockets. Default: NSM_RUN_DIR, or `/run/nsm`. */
  readonly runDir?: string | undefined;
  /**
   * The network namespace to attach: inode, name under /run/netns, /proc/PID/ns/net or /run/netns/NAME.
   * Default: this process's own; for another one the manager must allow this user to speak for others.
   */
  readonly netns?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call. Default: 30000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds to wait for a manager that is not running yet. Default: 0. */
  readonly waitMs?: number | undefined;
  /** Header of W3C Trace Context of the work that needs the connection: what the mesh does for it is part of that trace. */
  readonly traceparent?: string | undefined;
}

/**
 * Resolves when packets flow.
 * @throws NsmError the manager's refusal, such as `no-endpoint`; `unavailable` when no manager answers; `deadline`;
 * `cancelled`.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { service, lifetime = 'process', signal } = options;
  const given = options.requestId ?? requestIdFromEnvironment();
  const requestId = given ?? randomUUID();
  const own = ownNamespace();
  const request = {
    requestId,
    networkServiceName: service,
    linuxNamespace: options.netns ?? own,
    interface: (options.interfaces ?? ['kernel']).map(interfaceFields),
    labels: { selector: { ...options.labels } },
    lifetime:
      lifetime === 'process'
        ? wire.ConnectionLifetime.PROCESS_LIFETIME
        : wire.ConnectionLifetime.NAMESPACE_LIFETIME,
  };
  const session = ManagerSession.use(join(options.runDir ?? runDirFromEnvironment(), 'client.sock'));
  const { link } = session;
  const client = link.channel.client(wire.ClientConnection);
  const courses = tracedCourses('client', options);
  const send = (limits: CallLimits): Promise<ConnectionDetails> =>
    inTrace(courses, { service, by: 'client' }, options.traceparent, async (headers) => {
      const reply = await link.call(limits, (call) =>
        client.requestConnection(request, { ...call, headers }),
      );
      if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
      return connectionDetails(reply.connectionParameters, reply.interface);
    });
  const timeoutMs = options.timeoutMs ?? 30_000;
  try {
    const details = await send({ signal, timeoutMs, waitMs: options.waitMs ?? 0 });
    return new Connection(details, {
      session,
      requestId,
      service,
      follow: lifetime === 'process',
      ownNamespace: request.linuxNamespace === own,
      request: (again) => send({ signal: again, timeoutMs, waitMs: 0 }),
    });
  } catch (thrown) {
    const error = NsmError.from(thrown);
    // No other client can hold a connection by an id made here: whatever the manager still makes of it is not wanted.
    if (!given && (error.kind === 'deadline' || error.kind === 'cancelled'))
      await client
        .closeConnection({ requestId, networkServiceName: service }, { timeoutMs: 1000 })
        .catch(() => undefined);
    session[Symbol.dispose]();
    throw error;
  }
}

/**
 * Closes a connection by its key, whoever made it. Resolves to false when there was none: it is closed already.
 * @throws NsmError `unavailable` when no manager answers, or the manager's refusal.
 */
export async function disconnect(options: {
  readonly service: string;
  readonly requestId: string;
  readonly runDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. Default: 30000. */
  readonly timeoutMs?: number | undefined;
}): Promise<boolean> {
  using link = new ManagerLink(join(options.runDir ?? runDirFromEnvironment(), 'client.sock'));
  const client = link.channel.client(wire.ClientConnection);
  const { requestId, service, signal, timeoutMs = 30_000 } = options;
  const reply = await link.call({ signal, timeoutMs, waitMs: 0 }, (call) =>
    client.closeConnection({ requestId, networkServiceName: service }, call),
  );
  if (reply.alreadyClosed) return false;
  if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
  return true;
}
