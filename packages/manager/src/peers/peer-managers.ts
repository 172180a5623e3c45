// Channels to other managers, one for each manager and address, kept while they are in use.
import { lookup } from 'node:dns/promises';
import type { DescMessage, Message, MessageInitShape } from '@bufbuild/protobuf';
import {
  type CallOptions,
  Channel,
  type Credentials,
  NsmError,
  proxy,
  type ServiceClient,
  splitHostPort,
} from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { StepCall } from '@nsm/observe';
import { quote } from '../untrusted-text.js';

type ProxyClient = ServiceClient<typeof proxy.ProxyConnection>;
type InspectionClient = ServiceClient<typeof proxy.HalfInspection>;

/** Managers that are called less often than this keep no channel. */
const maxChannels = 256;

/** Milliseconds within which another manager must answer, its endpoint's time included. */
const answerTimeoutMs = 8000;

/**
 * A connection's id has at most 255 bytes (IFALIASZ), and the reason why it ended at most 1024 characters of up to four bytes: a request
 * is far below the 1 MiB that managers accept, and an answer below the 4 MiB.
 */
const checkedAtOnce = 512;

type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, Message>;

export interface Peer {
  readonly manager: string;
  /** HOST:PORT that was registered for the manager when a connection was made; '' when it was not registered. */
  readonly address: string;
}

/** What the registry knows of a manager, as far as a call needs it. */
export interface RegisteredManager {
  readonly address: string;
  /** Of its certificate. Default: the own one. */
  readonly trustDomain?: string;
}

interface KnownManager {
  readonly channel: Channel;
  client?: ProxyClient;
}

function clientOf(known: KnownManager): ProxyClient {
  known.client ??= known.channel.client(proxy.ProxyConnection);
  return known.client;
}

export class PeerManagers {
  /** Ids of connections that other managers are being asked for just now: their halves there are not orphans. */
  readonly #asked = new Set<string>();
  /** Names of managers that share connections with this one, and did not answer its latest calls. Only the watch over them writes it. */
  readonly silent: Set<string> = new Set();
  /** By the name and the address of the manager. */
  readonly #channels = new Map<string, KnownManager>();

  readonly #managers: () => ReadonlyMap<string, RegisteredManager>;

  readonly #credentials: Credentials | undefined;

  /**
   * @param managers the managers that are registered now, by name.
   * @param credentials by which they know this manager, and this manager them. Default: plain text.
   */
  constructor(managers: () => ReadonlyMap<string, RegisteredManager>, credentials?: Credentials) {
    this.#managers = managers;
    this.#credentials = credentials;
  }

  /**
   * HOST:PORT of a manager.
   * @throws NsmError `manager-unreachable` when the manager is not registered.
   */
  addressOf(manager: string): string {
    const record = this.#managers().get(manager);
    if (!record) throw new NsmError('manager-unreachable', `manager ${quote(manager)} is not registered`);
    return record.address;
  }

  /** Until the returned object is disposed of, `isAsking` says yes of the connection. */
  asking(connectionId: string): Disposable {
    this.#asked.add(connectionId);
    return { [Symbol.dispose]: () => void this.#asked.delete(connectionId) };
  }

  isAsking(connectionId: string): boolean {
    return this.#asked.has(connectionId);
  }

  /**
   * Asks another manager for its half of a connection.
   * @throws NsmError the other manager's refusal, its own words behind its name; `manager-unreachable` when it does not answer.
   */
  async request(
    peer: Peer,
    request: Init<typeof proxy.ProxyConnectionRequestSchema>,
    { signal, headers, onSteps }: StepCall & { readonly signal: AbortSignal },
  ): Promise<proxy.ProxyConnectionReply> {
    const until = performance.now() + answerTimeoutMs;
    const ask = (known: KnownManager) =>
      clientOf(known).requestProxyConnection(request, {
        signal,
        headers,
        timeoutMs: Math.max(1, until - performance.now()),
      });
    const first = this.#known(peer);
    const reply = await ask(first)
      .catch((thrown: unknown) => {
        if (NsmError.from(thrown).kind !== 'unavailable' || signal.aborted) throw thrown;
        // The channel may still be waiting to try again a manager that is back already: a new one tries at once.
        this.#forget(first);
        return ask(this.#known(peer));
      })
      .catch((thrown: unknown) => {
        // The other manager may have made its half without our hearing of it.
        const { requestId = '', networkServiceName = '', connectionId = '', halfId = '' } = request;
        const managerName = request.clientManagerName ?? '';
        const meant = { requestId, networkServiceName, connectionId, halfId, managerName };
        this.close(peer, { ...meant, reason: 'no reply' }).catch(() => undefined);
        throw this.#unheard(peer, NsmError.from(thrown), signal);
      });
    onSteps(reply);
    if (reply.accepted) return reply;
    const refusal = NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
    throw new NsmError(refusal.kind, `manager ${quote(peer.manager)}: ${refusal.message}`, refusal);
  }

  /**
   * What another manager would say to a request, without its touching anything.
   * @throws NsmError `manager-unreachable` when it does not answer within `timeoutMs`, `unimplemented` when it cannot tell.
   */
  async plan(
    peer: Peer,
    request: Init<typeof proxy.ProxyConnectionRequestSchema>,
    timeoutMs: number,
  ): Promise<proxy.PlanProxyConnectionReply> {
    try {
      return await this.#client(peer).planProxyConnection(request, { timeoutMs });
    } catch (thrown) {
      throw this.#unheard(peer, NsmError.from(thrown));
    }
  }

  /** Tells another manager that a connection has ended. @param call `timeoutMs` within which that manager must have heard. */
  async close(
    peer: Peer,
    request: Init<typeof proxy.CloseProxyConnectionRequestSchema>,
    call: Pick<CallOptions, 'timeoutMs' | 'headers'> = {},
  ): Promise<void> {
    await this.#client(peer).closeProxyConnection(request, { timeoutMs: answerTimeoutMs, ...call });
  }

  /**
   * Has the manager of a client move it to another endpoint.
   * @throws NsmError what it refuses with, `unimplemented` where it knows only the specification.
   */
  async move(peer: Peer, request: Init<typeof proxy.MoveConnectionRequestSchema>): Promise<void> {
    const reply = await this.#client(peer).moveConnection(request, { timeoutMs: answerTimeoutMs });
    if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
  }

  /**
   * Which of the connections that two managers share the other does not have, or has with another tunnel. Of many the other is
   * asked in several calls, none of them larger than it accepts; what it says of itself is what the first call heard.
   * @throws NsmError `unavailable` or `deadline` when it does not answer a call within `timeoutMs`.
   */
  async check(
    peer: Peer,
    managerName: string,
    shared: readonly Init<typeof proxy.SharedConnectionSchema>[],
    timeoutMs: number,
  ): Promise<proxy.CheckConnectionsReply> {
    const ask = (connections: Init<typeof proxy.SharedConnectionSchema>[]) =>
      this.#client(peer).checkConnections({ managerName, connections }, { timeoutMs });
    const reply = await ask(shared.slice(0, checkedAtOnce));
    for (let next = checkedAtOnce; next < shared.length; next += checkedAtOnce) {
      const { unknownConnectionIds, pendingConnectionIds, ended } = await ask(
        shared.slice(next, next + checkedAtOnce),
      );
      reply.unknownConnectionIds.push(...unknownConnectionIds);
      reply.pendingConnectionIds.push(...pendingConnectionIds);
      reply.ended.push(...ended);
    }
    return reply;
  }

  /** The client by which another manager is asked about its half of a connection. */
  inspection(peer: Peer): InspectionClient {
    return this.#known(peer).channel.client(proxy.HalfInspection);
  }

  #unheard({ manager, address }: Peer, error: NsmError, signal?: AbortSignal): NsmError {
    if (signal?.aborted) return error;
    if (error.kind === 'untrusted')
      return new NsmError('untrusted', `manager ${quote(manager)}: ${error.message}`, error);
    // A manager that stops at once resets its calls, which arrives as cancelled.
    if (!['unavailable', 'deadline', 'stopping', 'cancelled'].includes(error.kind)) return error;
    return new NsmError(
      'manager-unreachable',
      `manager ${quote(manager)} does not answer on ${address}: ${error.message}; is it running, and is TCP open between the nodes?`,
      error,
    );
  }

  /** Closes this channel alone: other calls may have a new one to the same manager by now. */
  #forget(known: KnownManager): void {
    known.channel.close();
    for (const [key, present] of this.#channels) if (present === known) this.#channels.delete(key);
  }

  /**
   * A manager that came back at another address is called there.
   * @throws NsmError `manager-unreachable` when no address of it is known.
   */
  #current({ manager, address }: Peer): string {
    const current = this.#managers().get(manager)?.address ?? address;
    if (current === '')
      throw new NsmError('manager-unreachable', `manager ${quote(manager)} is not registered`);
    return current;
  }

  #client(peer: Peer): ProxyClient {
    return clientOf(this.#known(peer));
  }

  #known(peer: Peer): KnownManager {
    const address = this.#current(peer);
    const key = keyOf(peer.manager, address);
    const present = this.#channels.get(key);
    if (present) {
      // Keeps the map in order of use.
      this.#channels.delete(key);
      this.#channels.set(key, present);
      return present;
    }
    const domain = this.#managers().get(peer.manager)?.trustDomain;
    const expected = { kind: 'manager', name: peer.manager, ...(domain ? { domain } : {}) } as const;
    const channel = new Channel(address, { credentials: this.#credentials, expected });
    const made = { channel };
    this.#channels.set(key, made);
    for (const [oldest, { channel: unused }] of this.#channels) {
      if (this.#channels.size <= maxChannels) break;
      unused.close();
      this.#channels.delete(oldest);
    }
    return made;
  }

  /**
   * The IP address of a manager's HOST:PORT, towards which tunnels are made.
   * @throws NsmError `manager-unreachable` when the name does not resolve.
   */
  async resolve(manager: string, address: string): Promise<string> {
    const { host } = splitHostPort(address);
    const known = IpPrefix.parseAddress(host)?.address;
    if (known !== undefined) return known;
    try {
      return (await lookup(host)).address;
    } catch (error) {
      throw new NsmError(
        'manager-unreachable',
        `the address ${quote(address)} of manager ${quote(manager)} does not resolve: ${NsmError.from(error).message}; ` +
          'start that manager with an --advertise that this node can resolve',
        error,
      );
    }
  }

  /** All IP addresses that a HOST:PORT may mean now; none when its name does not resolve. */
  async addressesOf(address: string): Promise<string[]> {
    const { host } = splitHostPort(address);
    const known = IpPrefix.parseAddress(host)?.address;
    if (known !== undefined) return [known];
    const found = await lookup(host, { all: true }).catch(() => []);
    return found.map((one) => one.address);
  }

  stop(): void {
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

function keyOf(manager: string, address: string): string {
  return `${manager} ${address}`;
}
