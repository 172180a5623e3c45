// The endpoint's side of the wire: one answer for each connection, the same one however often the manager asks.

import { isDeepStrictEqual } from 'node:util';
import type { CallContext, endpoint, ServiceImplementation, Step } from '@nsm/api';
import { interfaceName, NsmError } from '@nsm/api';
import type { Courses } from '@nsm/observe';
import { printable } from '@nsm/output';
import type { InterfaceKind } from './interfaces.js';
import { type EndpointAnswer, readAnswer } from './read-answer.js';

/** A connection as the endpoint hears of it. */
export interface EndpointRequest {
  /** The client's Pod UID. */
  readonly requestId: string;
  readonly service: string;
  /** Interface type chosen for the endpoint's side. */
  readonly interface: InterfaceKind | string;
  readonly interfaceParameters: Readonly<Record<string, string>>;
  /** Labels the client asked with. */
  readonly labels: Readonly<Record<string, string>>;
  /** The manager's id of the connection, the device's name and MAC address; empty where the manager does not say. */
  readonly connectionId: string;
  readonly interfaceName: string;
  readonly mac: string;
  /** MTU that the connection has unless the endpoint names another, bytes; 0 where the manager does not say. */
  readonly mtu: number;
  /** Bytes of IP packet that fit through at most: an endpoint may name an MTU up to it. 0 where the manager does not say. */
  readonly maxMtu: number;
}

export interface EndpointHooks {
  /**
   * Decides about a connection. Called once for each; called again when the client asks for something else under the
   * same id, when the manager has another device for it, or after it was refused or closed. What it throws refuses the connection.
   */
  readonly onConnect?:
    | ((request: EndpointRequest) => EndpointAnswer | undefined | Promise<EndpointAnswer | undefined>)
    | undefined;
  /**
   * A connection that onConnect accepted could not be made: `error` says why, such as which field of the answer cannot be used. onClose
   * is called next. Default: a line on stderr, because nothing else tells the author of the answer.
   */
  readonly onFailed?: ((request: EndpointRequest, error: NsmError) => void) | undefined;
  /** A connection has ended. */
  readonly onClose?: ((request: EndpointRequest, reason: string) => void | Promise<void>) | undefined;
}

interface Known {
  readonly request: EndpointRequest;
  readonly answer: Promise<EndpointAnswer>;
  /** Calls that wait for the answer. */
  waiting: number;
  /** Whether a manager has it. */
  told: boolean;
}

export class EndpointConnections implements ServiceImplementation<typeof endpoint.EndpointConnection> {
  readonly #netns: string;
  readonly #hooks: EndpointHooks;
  readonly #courses: Courses;
  readonly #known = new Map<string, Known>();
  /** Connections that are ending: the next of the same key begins when that is over. */
  readonly #ending = new Map<string, Promise<void>>();

  /** @param courses of what the endpoint is asked. */
  constructor(netns: string, hooks: EndpointHooks, courses: Courses) {
    this.#netns = netns;
    this.#hooks = hooks;
    this.#courses = courses;
  }

  readonly requestEndpointConnection = async (
    message: endpoint.EndpointConnectionRequest,
    { signal, traceparent }: CallContext,
  ): Promise<Reply> => {
    const { requestId, networkServiceName } = message;
    const request = requestOf(message);
    const subject = { service: networkServiceName, connection: request.connectionId, by: 'manager' };
    const course = this.#courses.begin('connect', subject, traceparent);
    const answer = await course.step('decide about the connection', () => this.#answer(request, signal));
    course.end(answer.refuse && new NsmError('endpoint-refused', answer.refuse));
    const did = { steps: course.report('endpoint'), tookMs: course.durationMs };
    const head = { requestId, networkServiceName, linuxNamespace: this.#netns, ...did };
    if (answer.refuse) return { ...head, admissionError: answer.refuse };
    const { addresses = [], routes = [], dns = {}, endpointAddresses = [], endpointRoutes = [] } = answer;
    const { peerAddresses = [], mtu = 0 } = answer;
    return {
      ...head,
      clientParameters: {
        address: addresses[0] ?? '',
        addresses: [...addresses],
        route: [...routes],
        dns: { servers: [...(dns.servers ?? [])], searchDomains: [...(dns.searchDomains ?? [])] },
        peerAddresses: [...peerAddresses],
        mtu,
      },
      endpointParameters: {
        address: endpointAddresses[0] ?? '',
        addresses: [...endpointAddresses],
        route: [...endpointRoutes],
      },
    };
  };

  readonly closeEndpointConnection = async (
    message: endpoint.CloseEndpointConnectionRequest,
    _context: CallContext,
  ): Promise<Record<string, never>> => {
    await this.#end(keyOf(message.requestId, message.networkServiceName), message.reason);
    return {};
  };

  async #answer(request: EndpointRequest, signal: AbortSignal): Promise<EndpointAnswer> {
    const key = keyOf(request.requestId, request.service);
    const before = this.#known.get(key);
    const entry = before && sameWish(before.request, request) ? before : this.#enter(key, request);
    entry.waiting++;
    const decided = await entry.answer;
    entry.waiting--;
    entry.told ||= !signal.aborted;
    if (this.#known.get(key) !== entry) return decided;
    if (decided.refuse) {
      // A refused update leaves what there was.
      if (before && before !== entry) this.#known.set(key, before);
      else this.#known.delete(key);
    } else if (!entry.told && entry.waiting === 0) {
      await this.#end(key, 'the manager did not wait for the answer');
    }
    return decided;
  }

  #enter(key: string, request: EndpointRequest): Known {
    const answer = Promise.allSettled([this.#ending.get(key)]).then(() => this.#decide(request));
    const entry = { request, answer, waiting: 0, told: false };
    this.#known.set(key, entry);
    return entry;
  }

  async #end(key: string, reason: string): Promise<void> {
    const known = this.#known.get(key);
    if (!known) return await this.#ending.get(key);
    this.#known.delete(key);
    const ended = known.answer.then(async ({ refuse }) => {
      if (refuse) return;
      const error = failureOf(reason);
      if (error) this.#tellFailure(known.request, error);
      await this.#hooks.onClose?.(known.request, reason);
    });
    this.#ending.set(key, ended);
    try {
      await ended;
    } finally {
      if (this.#ending.get(key) === ended) this.#ending.delete(key);
    }
  }

  async #decide(request: EndpointRequest): Promise<EndpointAnswer> {
    let given: unknown;
    try {
      given = await this.#hooks.onConnect?.(request);
    } catch (thrown) {
      return { refuse: NsmError.from(thrown).message || 'without a reason' };
    }
    try {
      return readAnswer(given);
    } catch (thrown) {
      const error = NsmError.from(thrown);
      try {
        this.#tellFailure(request, error);
        await this.#hooks.onClose?.(request, error.toAdmissionError());
      } catch (thrownByHook) {
        console.error('nsm: a hook of the endpoint failed:', thrownByHook);
      }
      return { refuse: error.message };
    }
  }

  #tellFailure(request: EndpointRequest, error: NsmError): void {
    (this.#hooks.onFailed ?? printFailure)(request, error);
  }
}

interface ParametersReply {
  address: string;
  addresses: string[];
  route: string[];
  dns?: { servers: string[]; searchDomains: string[] };
  peerAddresses?: string[];
  mtu?: number;
}

interface Reply {
  requestId: string;
  networkServiceName: string;
  linuxNamespace: string;
  steps: Step[];
  tookMs: number;
  admissionError?: string;
  clientParameters?: ParametersReply;
  endpointParameters?: ParametersReply;
}

/** A manager that takes back what it could not make tells the refusal that it would give to the client: with a code. */
function failureOf(reason: string): NsmError | undefined {
  const error = NsmError.fromAdmissionError(reason, 'internal');
  return error.message === reason ? undefined : error;
}

function printFailure({ requestId, service }: EndpointRequest, error: NsmError): void {
  console.error(printable(`nsm: no connection for ${requestId} to ${service}: ${error.toAdmissionError()}`));
}

function keyOf(requestId: string, service: string): string {
  return JSON.stringify([requestId, service]);
}

/** What the client chose, by the same device: one of another name stands beside the former, and the endpoint may have to join it to something. */
function sameWish(a: EndpointRequest, b: EndpointRequest): boolean {
  const { interface: type, interfaceName, labels } = a;
  return type === b.interface && interfaceName === b.interfaceName && isDeepStrictEqual(labels, b.labels);
}

function requestOf(message: endpoint.EndpointConnectionRequest): EndpointRequest {
  return {
    requestId: message.requestId,
    service: message.networkServiceName,
    interface: interfaceName(message.interface?.type ?? 0),
    interfaceParameters: message.interface?.parameters?.interfaceParameters ?? {},
    labels: message.labels?.selector ?? {},
    connectionId: message.endpointParameters?.connectionId ?? '',
    interfaceName: message.endpointParameters?.interfaceName ?? '',
    mac: message.endpointParameters?.mac ?? '',
    mtu: message.endpointParameters?.mtu ?? 0,
    maxMtu: message.maxMtu || (message.endpointParameters?.mtu ?? 0),
  };
}
