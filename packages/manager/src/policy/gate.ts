// What this manager asks the policy: whether an endpoint may be advertised, and whether a client may be connected to one.
import {
  type Interface,
  InterfaceType,
  interfaceWords,
  type NetworkServiceEndpoint,
  NsmError,
  type Subject,
} from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import {
  type Action,
  type Decision,
  type Gives,
  type Limit,
  type Policy,
  type RuledLimit,
  unruled,
} from '@nsm/policy';
import { type Audit, endpointFields as fieldsOf } from '../audit/audit.js';
import { quote } from '../untrusted-text.js';
import type { PolicySource } from './policy-source.js';
import { providerOf } from './subjects.js';

export interface GateComponents {
  readonly source: Pick<PolicySource, 'policy'>;
  readonly audit: Pick<Audit, 'decision'>;
}

/** What two decisions come to: that the endpoint may be provided, and that the client may ask for it. */
export interface Verdict extends Omit<Decision, 'gives'> {
  /** All of them apply. */
  readonly gives: readonly Gives[];
}

/** Interface parameters that, without a policy, root alone may use, by the value that needs leave. */
const needTrust: Readonly<Record<string, string>> = { source_check: 'off' };

const { DEFAULT_INTERFACE } = InterfaceType;

export class Gate {
  readonly #source: GateComponents['source'];
  readonly #audit: GateComponents['audit'];

  constructor({ source, audit }: GateComponents) {
    this.#source = source;
    this.#audit = audit;
  }

  /** A gate with the same policy that records nothing in the audit log: for questions. */
  get unrecorded(): Gate {
    return new Gate({ source: this.#source, audit: { decision: () => undefined } });
  }

  get isRuled(): boolean {
    return this.#source.policy !== undefined;
  }

  /** Whether the policy lets an endpoint be provided: as a whole, and by each of its interfaces. */
  provides(endpoint: NetworkServiceEndpoint): Verdict {
    const policy = this.#source.policy;
    // An interface of any type is asked about again with the type that a client wants.
    const asked = endpoint.interface.map((one) => (one.type === DEFAULT_INTERFACE ? undefined : one));
    const decisions = (asked.length > 0 ? asked : [undefined]).map((one) =>
      this.#decide(policy, 'provide', endpoint, providerOf(endpoint), one),
    );
    const verdict = both(decisions);
    if (!verdict.allowed) return verdict;
    const given = endpoint.prefixes.find((prefix) => !areWithin([prefix], verdict.gives, 'prefixes'));
    return given === undefined ? verdict : notGiven(verdict, 'addresses from', given);
  }

  /**
   * For an endpoint that is advertised here.
   * @throws NsmError `policy`
   */
  admitProvider(endpoint: NetworkServiceEndpoint): Verdict {
    const verdict = this.provides(endpoint);
    this.#audit.decision('provide', providerOf(endpoint), fieldsOf(endpoint), verdict);
    if (!verdict.allowed) throw refusal(endpoint.networkServiceName, verdict);
    return verdict;
  }

  /**
   * Whether a client may be connected to an endpoint.
   * @param client without one, only what the policy says of the endpoint counts.
   * @param wanted one of the client's interfaces; without one: whether any could be allowed.
   */
  permits(client: Subject | undefined, endpoint: NetworkServiceEndpoint, wanted?: Interface): Verdict {
    const policy = this.#source.policy;
    const provided = this.#decide(policy, 'provide', endpoint, providerOf(endpoint), wanted && bare(wanted));
    if (!provided.allowed || !client) return both([provided]);
    return both([provided, this.#decide(policy, 'request', endpoint, client, wanted)]);
  }

  /**
   * The client's interfaces that the policy lets it have of an endpoint, and the verdict on the first of them; where it may have none,
   * the verdict on the first that it asks for.
   */
  narrow(
    client: Subject | undefined,
    endpoint: NetworkServiceEndpoint,
    wanted: readonly Interface[],
  ): { readonly interfaces: readonly Interface[]; readonly verdict: Verdict } {
    const judged = wanted.map((one) => ({ one, verdict: this.permits(client, endpoint, one) }));
    const allowed = judged.filter(({ verdict }) => verdict.allowed);
    const verdict = (allowed[0] ?? judged[0])?.verdict ?? this.permits(client, endpoint);
    return { interfaces: allowed.map(({ one }) => one), verdict };
  }

  /**
   * For a client that is to be connected to an endpoint now.
   * @returns those of the client's interfaces that it may have.
   * @throws NsmError `policy`
   */
  admitClient(
    client: Subject | undefined,
    endpoint: NetworkServiceEndpoint,
    wanted: readonly Interface[],
  ): { readonly interfaces: readonly Interface[]; readonly verdict: Verdict } {
    const narrowed = this.narrow(client, endpoint, wanted);
    if (client) this.#audit.decision('request', client, fieldsOf(endpoint), narrowed.verdict);
    if (!narrowed.verdict.allowed) throw refusal(endpoint.networkServiceName, narrowed.verdict);
    return narrowed;
  }

  /** A limit of the rule that lets a client have one of some endpoints. */
  limitOf(
    name: Limit,
    client: Subject,
    endpoints: readonly NetworkServiceEndpoint[],
  ): RuledLimit | undefined {
    if (!this.isRuled) return undefined;
    for (const endpoint of endpoints) {
      const verdict = this.permits(client, endpoint);
      if (verdict.allowed) return ruledBy(verdict, name);
    }
    return undefined;
  }

  /** Whether a client may ask for a service that no endpoint provides now. @throws NsmError `policy` */
  admitUnprovided(client: Subject | undefined, service: string): void {
    const policy = this.#source.policy;
    if (!policy || !client) return;
    const provider = { name: '', namespace: '' };
    const decision = policy.decide({ action: 'request', subject: client, service, provider });
    if (decision.allowed) return;
    this.#audit.decision('request', client, { service }, decision);
    throw refusal(service, decision);
  }

  /** Records that the policy keeps an endpoint from a client. */
  recordDenial(
    client: Subject | undefined,
    endpoint: NetworkServiceEndpoint,
    why: Pick<Decision, 'rule' | 'reason'>,
  ): void {
    if (client) this.#audit.decision('request', client, fieldsOf(endpoint), { allowed: false, ...why });
  }

  #decide(
    policy: Policy | undefined,
    action: Action,
    endpoint: NetworkServiceEndpoint,
    subject: Subject,
    wanted: Interface | undefined,
  ): Decision {
    const parameters = wanted?.parameters?.interfaceParameters ?? {};
    if (!policy) return subject.trusted ? unruled : withoutPolicy(parameters);
    return policy.decide({
      action,
      subject,
      service: endpoint.networkServiceName,
      provider: { name: endpoint.nseProviderName, namespace: endpoint.nseProviderNamespace },
      ...(action === 'request' ? { providedBy: providerOf(endpoint) } : {}),
      ...(wanted ? { interface: { type: interfaceWords[wanted.type] ?? '', parameters } } : {}),
    });
  }
}

/** @throws NsmError `policy` when an endpoint gives its client what a rule does not let it give. */
export function admitGiven(
  service: string,
  verdict: Pick<Verdict, 'gives' | 'rule'>,
  given: { readonly addresses: readonly string[]; readonly routes: readonly string[] },
): void {
  for (const [what, values, key] of [
    ['address', given.addresses, 'prefixes'],
    ['route', given.routes, 'routes'],
  ] as const) {
    const other = values.find((value) => !areWithin([value], verdict.gives, key));
    if (other !== undefined) throw refusal(service, notGiven(verdict, what, other));
  }
}

/** What a client hears: the rule, and nothing of what there is. */
export function refusal(service: string, { reason }: Pick<Decision, 'reason'>): NsmError {
  return new NsmError('policy', `network service ${quote(service)}: ${reason}`);
}

export function ruledBy(
  { limits, rule }: Pick<Verdict, 'limits' | 'rule'>,
  name: Limit,
): RuledLimit | undefined {
  const limit = limits[name];
  return limit === undefined ? undefined : { limit, rule };
}

function both(decisions: readonly Decision[]): Verdict {
  const decisive = decisions.find(({ allowed }) => !allowed) ?? decisions.at(-1) ?? unruled;
  return { ...decisive, gives: decisions.map(({ gives }) => gives) };
}

function withoutPolicy(parameters: Readonly<Record<string, string>>): Decision {
  const [name] = Object.entries(needTrust).find(([key, value]) => parameters[key] === value) ?? [];
  if (name === undefined) return unruled;
  const reason = `interface parameter ${name}=${needTrust[name]} is for root, or whom a policy gives leave`;
  return { ...unruled, allowed: false, reason };
}

function areWithin(values: readonly string[], gives: readonly Gives[], key: keyof Gives): boolean {
  return gives.every(({ [key]: allowed }) => {
    if (!allowed) return true;
    const prefixes = allowed.map((text) => IpPrefix.of(text));
    return values.every((value) => {
      const wanted = IpPrefix.of(value);
      return prefixes.some((prefix) => prefix.length <= wanted.length && prefix.contains(wanted));
    });
  });
}

function notGiven(verdict: Pick<Verdict, 'rule' | 'gives'>, what: string, value: string): Verdict {
  const reason = `not allowed by rule "${verdict.rule}", which does not let the endpoint give ${what} ${quote(value)}`;
  return { ...unruled, ...verdict, allowed: false, reason };
}

/** What the policy says of an endpoint does not depend on what its client wishes for. */
function bare(wanted: Interface): Interface {
  const { pool } = wanted.parameters?.interfaceParameters ?? {};
  const { parameters, ...rest } = wanted;
  return parameters
    ? { ...rest, parameters: { ...parameters, interfaceParameters: pool ? { pool } : {} } }
    : wanted;
}
