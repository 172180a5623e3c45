// What a request would come to, as a manager tells.
import { type admin, type Interface, interfaceName, tunnelName } from '@nsm/api';
import { subjectText } from '@nsm/policy';
import { type TunnelView, tunnelView } from './connection-view.js';
import { type CandidateView, candidateView } from './endpoint-view.js';
import { type RefusalView, refusalView } from './refusal-view.js';

export interface ExplanationView {
  readonly service: string;
  /** As `nsm policy test` takes it; '' where nobody was named. */
  readonly client: string;
  /** Of its network namespace; 0 where none was named. */
  readonly clientInode: number;
  readonly candidates: readonly ExplainedView[];
  readonly problems: readonly ProblemView[];
  /** The request that is explained, where that is the last one of the pod, which was refused. */
  readonly refused: RefusalView | null;
  /** Null: the request would be refused. */
  readonly plan: PlanView | null;
}

export interface ProblemView {
  readonly code: string;
  readonly what: string;
  /** A request would be refused for it. */
  readonly refuses: boolean;
}

export interface ExplainedView extends CandidateView {
  /** A request would be connected to it. */
  readonly chosen: boolean;
  /** Why the first goes before it; '' of the first, and of those that are dropped. */
  readonly lost: string;
  readonly local: boolean;
  readonly connections: number;
  readonly recentFailure: string;
  readonly checks: readonly { readonly about: string; readonly passed: boolean; readonly text: string }[];
  readonly labelMatches: readonly {
    readonly key: string;
    readonly wanted: string;
    /** Null: it has no such label. */
    readonly has: string | null;
    readonly matched: boolean;
  }[];
  readonly interfaceMatch: {
    readonly asked: readonly string[];
    readonly offered: readonly string[];
    /** What the policy does not let the client have of it. */
    readonly denied: readonly string[];
    readonly shared: readonly string[];
    /** What would be joined; null: nothing can. */
    readonly joined: { readonly client: string; readonly endpoint: string } | null;
  };
  /** Null on one node. */
  readonly tunnels: {
    readonly here: readonly string[];
    readonly there: readonly string[];
    readonly shared: readonly string[];
    /** By kind why a node cannot do it. */
    readonly missingHere: Readonly<Record<string, string>>;
    readonly missingThere: Readonly<Record<string, string>>;
    readonly chosen: string | null;
    readonly mtu: number;
    /** Why it is not known what the other node can do. */
    readonly unknown: string;
  } | null;
}

export interface PlanView {
  readonly endpoint: string;
  readonly endpointNamespace: string;
  readonly manager: string;
  readonly interface: string;
  readonly endpointInterface: string;
  readonly interfaceName: string;
  readonly addresses: readonly { readonly client: string; readonly endpoint: string }[];
  readonly prefixes: readonly string[];
  readonly tunnel: Omit<TunnelView, 'identifier'> | null;
  readonly mtu: number;
}

export function explanationView(service: string, reply: admin.ExplainSelectionReply): ExplanationView {
  const { candidates, problems, plan, client, refused } = reply;
  return {
    service,
    client: client ? subjectText(client) : '',
    clientInode: client?.inode ?? 0,
    candidates: candidates.map((one) => explainedView(one, plan)),
    problems: problems.map(({ code, what, refuses }) => ({ code, what, refuses })),
    refused: refused ? refusalView(refused) : null,
    plan: plan ? planView(plan) : null,
  };
}

function explainedView(candidate: admin.Candidate, plan: admin.Plan | undefined): ExplainedView {
  const { endpoint, lost, local, connections, recentFailure, checks, labels, interfaces, tunnels } =
    candidate;
  return {
    ...candidateView(candidate),
    chosen:
      plan !== undefined &&
      plan.nseProviderName === endpoint?.nseProviderName &&
      plan.nseProviderNamespace === endpoint.nseProviderNamespace,
    lost,
    local,
    connections,
    recentFailure,
    checks: checks.map(({ about, passed, text }) => ({ about, passed, text })),
    labelMatches: labels.map(({ key, wanted, has }) => ({
      key,
      wanted,
      has: has ?? null,
      matched: has === wanted,
    })),
    interfaceMatch: interfaceMatchView(interfaces),
    tunnels: tunnels ? tunnelMatchView(tunnels) : null,
  };
}

function interfaceMatchView(match: admin.InterfaceMatch | undefined): ExplainedView['interfaceMatch'] {
  const { asked = [], offered = [], denied = [], client, endpoint } = match ?? {};
  const open = (types: readonly number[]): boolean => types.length === 0 || types.includes(0);
  const shared = open(offered)
    ? asked
    : open(asked)
      ? offered
      : asked.filter((type) => offered.includes(type));
  return {
    asked: asked.map(interfaceName),
    offered: offered.map(interfaceName),
    denied: denied.map(interfaceName),
    shared: shared.map(interfaceName),
    joined: client && endpoint ? { client: typeOf(client), endpoint: typeOf(endpoint) } : null,
  };
}

function tunnelMatchView(match: admin.TunnelMatch): NonNullable<ExplainedView['tunnels']> {
  const { here, there, missingHere, missingThere, chosen, mtu, unknown } = match;
  const why = (missing: readonly admin.MissingTunnel[]): Record<string, string> =>
    Object.fromEntries(missing.map((one) => [tunnelName(one.type), one.why]));
  return {
    here: here.map(tunnelName),
    there: there.map(tunnelName),
    shared: here.filter((type) => there.includes(type)).map(tunnelName),
    missingHere: why(missingHere),
    missingThere: why(missingThere),
    chosen: chosen === undefined ? null : tunnelName(chosen),
    mtu,
    unknown,
  };
}

function planView(plan: admin.Plan): PlanView {
  const { tunnel, pairs, prefixes, interfaceName: name, mtu, manager } = plan;
  const { identifier: _taken, ...end } = tunnel ? tunnelView(tunnel) : { identifier: 0 };
  return {
    endpoint: plan.nseProviderName,
    endpointNamespace: plan.nseProviderNamespace || 'default',
    manager,
    interface: plan.interface ? typeOf(plan.interface) : '',
    endpointInterface: plan.endpointInterface ? typeOf(plan.endpointInterface) : '',
    interfaceName: name,
    addresses: pairs.map(({ client, endpoint }) => ({ client, endpoint })),
    prefixes,
    tunnel: 'type' in end ? end : null,
    mtu,
  };
}

function typeOf({ type }: Interface): string {
  return interfaceName(type);
}
