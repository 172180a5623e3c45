// serve(): an endpoint that provides network services: answers its manager, and stays advertised while it lives.
import { chmodSync, chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { advertisementsOf, endpoint, NsmError, Server } from '@nsm/api';
import { Courses } from '@nsm/observe';
import { runDirFromEnvironment } from './config.js';
import { EndpointConnections, type EndpointHooks } from './endpoint-connections.js';
import { type InterfaceOption, interfaceFields } from './interfaces.js';
import { isManagerGone, ManagerLink } from './manager-link.js';
import { ownNamespace } from './own-namespace.js';
import { maxSocketPath, SocketPlace } from './socket-place.js';
import { type TracingOptions, tracedCourses } from './tracing.js';

export interface ServeOptions extends EndpointHooks, TracingOptions {
  /** The network service provided; `services` for several. */
  readonly service?: string | undefined;
  readonly services?: readonly string[] | undefined;
  /** nse_provider_name. */
  readonly name: string;
  /** nse_provider_namespace. Default: `default`. */
  readonly namespace?: string | undefined;
  /** Path of the unix socket to serve on. Default: endpoints/NAME.sock in the run directory. */
  readonly socket?: string | undefined;
  /** Folder of the manager's sockets. Default: NSM_RUN_DIR, or `/run/nsm`. */
  readonly runDir?: string | undefined;
  /** What the endpoint can be attached by, in order of preference. Default: `['kernel']`. */
  readonly interfaces?: readonly InterfaceOption[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** CIDR prefixes from which the manager gives out addresses. */
  readonly prefixes?: readonly string[] | undefined;
  /** The network namespace to attach, named as for connect(). Default: this process's own. */
  readonly netns?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a manager that is not running yet. Default: 0. */
  readonly waitMs?: number | undefined;
  /** Hears how the advertisement fares. */
  readonly onStatus?: ((status: ServeStatus) => void) | undefined;
}

export interface ServeStatus {
  /** `refused`: the restarted manager does not want the endpoint, for `reason`; it is asked again. */
  readonly state: 'advertised' | 'manager-lost' | 'refused';
  readonly reason: string;
}

/** Milliseconds between two attempts to advertise, and after a refusal. */
const retryMs = 200;
const refusedMs = 5_000;
const callMs = 10_000;
/** Milliseconds for which an endpoint that closes serves on: its manager moves its connections to others within 10 s. */
const leaveMs = 15_000;

interface ServedParts {
  readonly name: string;
  readonly namespace: string;
  readonly services: readonly string[];
  readonly place: SocketPlace;
  readonly server: Server;
  readonly link: ManagerLink;
  readonly advertise: (signal: AbortSignal, waitMs: number) => Promise<void>;
  readonly onStatus: (status: ServeStatus) => void;
  /** Settles when the manager that accepted the endpoint goes away. */
  readonly lost: Promise<void>;
}

/** A served endpoint. */
export class Served implements AsyncDisposable {
  readonly name: string;
  readonly namespace: string;
  readonly services: readonly string[];
  /** Path of the socket that the manager calls. */
  readonly socket: string;
  readonly #place: SocketPlace;
  readonly #server: Server;
  readonly #link: ManagerLink;
  readonly #end = new AbortController();
  readonly #keeping: Promise<void>;
  #closing: Promise<void> | undefined;

  /** Made by serve(). */
  constructor(parts: ServedParts) {
    this.name = parts.name;
    this.namespace = parts.namespace;
    this.services = parts.services;
    this.socket = parts.place.path;
    this.#place = parts.place;
    this.#server = parts.server;
    this.#link = parts.link;
    this.#keeping = this.#keepAdvertised(parts);
  }

  /** Ends one of the endpoint's connections; the manager tells the client. */
  async closeConnection(requestId: string, service: string, reason: string): Promise<void> {
    const client = this.#link.channel.client(endpoint.EndpointOperations);
    const reply = await this.#link.call({ timeoutMs: callMs, waitMs: 0 }, (options) =>
      client.closeConnection({ requestId, networkServiceName: service, reason }, options),
    );
    if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
  }

  /**
   * Withdraws the endpoint, and stops serving when its connections have moved to other endpoints, or cannot, after 10 s at the
   * latest. A manager that is not there needs no telling. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#end.abort();
    await this.#keeping;
    const client = this.#link.channel.client(endpoint.EndpointOperations);
    const names = { nseProviderName: this.name, nseProviderNamespace: this.namespace };
    try {
      await Promise.all(
        this.services.map((service) =>
          client.removeEndpoint({ networkServiceName: service, ...names }, { timeoutMs: leaveMs }),
        ),
      );
    } catch (thrown) {
      // A manager that stops at the same time cuts the call off.
      const error = this.#link.explain(thrown);
      if (!isManagerGone(error) && error.kind !== 'unimplemented') throw error;
    } finally {
      this.#link[Symbol.dispose]();
      await this.#server.stop();
      this.#place[Symbol.dispose]();
    }
  }

  async #keepAdvertised(parts: ServedParts): Promise<void> {
    const { signal } = this.#end;
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    for (let lost: Promise<void> | undefined = parts.lost; !signal.aborted; ) {
      try {
        if (lost) {
          await Promise.race([lost, ended]);
          lost = undefined;
          if (signal.aborted) return;
          parts.onStatus({ state: 'manager-lost', reason: 'the manager went away' });
        }
        const again = watchLoss(this.#link, callMs, signal);
        await parts.advertise(signal, 0);
        lost = again;
        parts.onStatus({ state: 'advertised', reason: 'the manager is back' });
      } catch (thrown) {
        if (signal.aborted) return;
        const error = NsmError.from(thrown);
        const gone = isManagerGone(error);
        if (!gone) parts.onStatus({ state: 'refused', reason: error.message });
        await pause(gone ? retryMs : refusedMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/**
 * Serves and advertises an endpoint; resolves when the manager has accepted it.
 * @throws NsmError the manager's refusal; `unavailable` when no manager answers; `conflict` when the socket is in use.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { name, namespace = 'default' } = options;
  const services = options.services ?? (options.service === undefined ? [] : [options.service]);
  if (services.length === 0) throw new NsmError('invalid', 'serve() needs a service, or services');
  const runDir = options.runDir ?? runDirFromEnvironment();
  if (options.socket !== undefined && Buffer.byteLength(options.socket) > maxSocketPath)
    throw new NsmError(
      'invalid',
      `${options.socket} is longer than a unix socket path may be (${maxSocketPath} bytes)`,
    );
  const interfaces = (options.interfaces ?? ['kernel']).map(interfaceFields);
  const courses = tracedCourses('endpoint', options, name) ?? new Courses();
  const connections = new EndpointConnections(options.netns ?? ownNamespace(), options, courses);
  const server = new Server().add(endpoint.EndpointConnection, connections);
  const place = options.socket
    ? SocketPlace.at(options.socket)
    : await SocketPlace.choose(runDir, name, namespace);
  const socket = place.path;
  const link = new ManagerLink(join(runDir, 'endpoint.sock'));
  const client = link.channel.client(endpoint.EndpointOperations);
  const advertisements = advertisementsOf(
    services.map((service) => ({
      networkServiceName: service,
      nseProviderName: name,
      nseProviderNamespace: namespace,
      socketLocation: socket,
      interface: interfaces,
      labels: { selector: { ...options.labels } },
      prefixes: [...(options.prefixes ?? [])],
    })),
  );
  const advertise = async (signal: AbortSignal | undefined, waitMs: number): Promise<void> => {
    for (const advertisement of advertisements) {
      const reply = await link.call({ signal, timeoutMs: callMs + waitMs, waitMs }, (call) => {
        openTo(link.socket, socket);
        return client.advertiseEndpoint(advertisement, call);
      });
      if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
    }
  };
  const waitMs = options.waitMs ?? 0;
  try {
    await server.listenUnix(socket);
    const lost = watchLoss(link, callMs + waitMs);
    await advertise(options.signal, waitMs);
    const onStatus = options.onStatus ?? (() => {});
    return new Served({ name, namespace, services, place, server, link, advertise, onStatus, lost });
  } catch (thrown) {
    link[Symbol.dispose]();
    await server.stop();
    place[Symbol.dispose]();
    throw NsmError.from(thrown);
  }
}

/** To be called before advertising: a loss right after the manager's answer must not go unseen. */
function watchLoss(link: ManagerLink, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  return link.channel.lost(timeoutMs, signal).catch(() => undefined);
}

/** An endpoint of root opens its socket to the group of a manager that is another user; the next may be yet another. */
function openTo(managerSocket: string, socket: string): void {
  if (process.getuid?.() !== 0) return;
  try {
    const { uid, gid } = statSync(managerSocket);
    chownSync(socket, 0, gid);
    chmodSync(socket, uid === 0 ? 0o600 : 0o660);
  } catch {
    // A file is not there, or not any more: there will be another attempt.
  }
}
