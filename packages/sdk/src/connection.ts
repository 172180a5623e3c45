// A connection as the application holds it: what it was given, what becomes of it, and its end.

import { isDeepStrictEqual } from 'node:util';
import { connect, NsmError } from '@nsm/api';
import { type ConnectionDetails, connectionDetails } from './connection-details.js';
import { EventQueue } from './event-queue.js';
import type { InterfaceKind } from './interfaces.js';
import { isManagerGone } from './manager-link.js';
import type { ManagerSession } from './manager-session.js';

/** What becomes of a connection. `details` are current; `reason` says why where there is something to say. */
export interface ConnectionEvent {
  readonly kind: 'up' | 'healing' | 'closed';
  readonly details: ConnectionDetails;
  readonly reason: string;
}

/** How a connection reaches the manager again; made by connect(). */
export interface ConnectionParts {
  /** Disposed of when the connection ends. */
  readonly session: ManagerSession;
  readonly requestId: string;
  readonly service: string;
  /** Watch from the beginning, not only once events are read. */
  readonly follow: boolean;
  /** The manager tells of connections in the caller's own namespace only. */
  readonly ownNamespace: boolean;
  /** Asks for the connection again; gives the same when the manager still has it. */
  readonly request: (signal: AbortSignal) => Promise<ConnectionDetails>;
}

/** Milliseconds that close() tries to tell the manager. */
const closeMs = 10_000;

export class Connection implements ConnectionDetails, AsyncDisposable {
  readonly requestId: string;
  readonly service: string;
  readonly #parts: ConnectionParts;
  readonly #end = new AbortController();
  readonly #queues = new Set<EventQueue<ConnectionEvent>>();
  #last: ConnectionEvent;
  #unfollow: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** Made by connect(). */
  constructor(details: ConnectionDetails, parts: ConnectionParts) {
    this.requestId = parts.requestId;
    this.service = parts.service;
    this.#parts = parts;
    this.#last = { kind: 'up', details, reason: '' };
    if (parts.follow) this.#follow();
  }

  /** `up` while packets flow, `healing` while it is being repaired, `closed` once it is gone. */
  get state(): ConnectionEvent['kind'] {
    return this.#last.kind;
  }
  get id(): string {
    return this.#last.details.id;
  }
  get interface(): InterfaceKind | string {
    return this.#last.details.interface;
  }
  get interfaceParameters(): Readonly<Record<string, string>> {
    return this.#last.details.interfaceParameters;
  }
  get interfaceName(): string {
    return this.#last.details.interfaceName;
  }
  get address(): string {
    return this.#last.details.address;
  }
  get addresses(): readonly string[] {
    return this.#last.details.addresses;
  }
  get peerAddresses(): readonly string[] {
    return this.#last.details.peerAddresses;
  }
  get routes(): readonly string[] {
    return this.#last.details.routes;
  }
  get dns(): ConnectionDetails['dns'] {
    return this.#last.details.dns;
  }
  get mtu(): number {
    return this.#last.details.mtu;
  }
  get mac(): string {
    return this.#last.details.mac;
  }

  /**
   * The present state, then every change, until the connection is closed. Survives a restart of the manager.
   * Events are kept from this call on, so none is missed between it and the first read; of more than 1000 that wait, the newest.
   */
  events(): AsyncIterable<ConnectionEvent> {
    const queue: EventQueue<ConnectionEvent> = new EventQueue(() => this.#queues.delete(queue));
    this.#queues.add(queue);
    queue.push(this.#last);
    if (this.#last.kind === 'closed') queue.end();
    else this.#follow();
    return queue;
  }

  /**
   * Closes the connection: its interface, addresses and routes are gone when this resolves. Closing again is harmless.
   * @throws NsmError `unavailable` when the manager cannot be told; one that restarts is waited for 10 s.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#last.kind === 'closed') return;
    this.#end.abort();
    this.#unfollow?.();
    const { session, requestId, service } = this.#parts;
    try {
      const client = session.link.channel.client(connect.ClientConnection);
      const reply = await session.link.call({ timeoutMs: closeMs, waitMs: closeMs }, (options) =>
        client.closeConnection({ requestId, networkServiceName: service }, options),
      );
      if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'internal');
      this.#emit('closed', this.#last.details, 'closed by the client');
    } finally {
      session[Symbol.dispose]();
      for (const queue of this.#queues) queue.end();
    }
  }

  #follow(): void {
    this.#unfollow ??= this.#parts.session.follow({
      requestId: this.requestId,
      service: this.service,
      heard: (event) => this.#heard(event),
      missing: (restarted) => this.#missing(restarted),
      failed: (error) => this.#gone(`cannot be watched any longer: ${error.message}`),
    });
  }

  #heard(event: connect.ConnectionEvent): void {
    const known = this.#last.details;
    const details = event.connectionParameters
      ? connectionDetails(event.connectionParameters, event.interface)
      : known;
    switch (event.kind) {
      case connect.ConnectionEvent_Kind.UP:
        if (this.#last.kind !== 'up' || !isDeepStrictEqual(details, known))
          this.#emit('up', details, event.detail);
        break;
      case connect.ConnectionEvent_Kind.HEALING:
        // Every attempt of the manager is told; what does not differ is no news.
        if (this.#last.kind !== 'healing' || this.#last.reason !== event.detail)
          this.#emit('healing', details, event.detail);
        break;
      case connect.ConnectionEvent_Kind.CLOSED:
        this.#gone(event.detail);
        break;
    }
  }

  async #missing(restarted: boolean): Promise<void> {
    if (!this.#parts.ownNamespace) return;
    if (!restarted) return this.#gone('the manager does not have it any more');
    const { signal } = this.#end;
    let details: ConnectionDetails;
    try {
      details = await this.#parts.request(signal);
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (signal.aborted) return;
      if (isManagerGone(error)) throw error;
      return this.#gone(`the restarted manager refused it: ${error.message}`);
    }
    if (!signal.aborted && (this.#last.kind !== 'up' || !isDeepStrictEqual(details, this.#last.details)))
      this.#emit('up', details, 'asked for again: the restarted manager did not have it');
  }

  #gone(reason: string): void {
    this.#end.abort();
    this.#unfollow?.();
    this.#emit('closed', this.#last.details, reason);
    for (const queue of this.#queues) queue.end();
    // An open channel would keep the process alive.
    this.#parts.session[Symbol.dispose]();
  }

  #emit(kind: ConnectionEvent['kind'], details: ConnectionDetails, reason: string): void {
    this.#last = { kind, details, reason };
    for (const queue of this.#queues) queue.push(this.#last);
  }
}
