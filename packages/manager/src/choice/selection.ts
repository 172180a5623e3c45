// Which endpoint serves a request: every candidate, in order, each with the reason for its place.
import {
  abbreviatedList,
  type Interface,
  type Label,
  type NetworkServiceEndpoint,
  NsmError,
  type registry,
  type Subject,
} from '@nsm/api';
import { type Gate, refusal } from '../policy/gate.js';
import { quote } from '../untrusted-text.js';
import type { MissingCapabilities } from './missing-capabilities.js';
import { chooseInterfaces, interfaceList } from './negotiation.js';
import { type Pools, spelledOut } from './physical-networks.js';
import type { WiringMatrix } from './wiring-matrix.js';

export interface Wanted {
  readonly service: string;
  readonly labels: Label | undefined;
  readonly interfaces: readonly Interface[];
  /** Who asks; absent: only what the policy says of the endpoints counts. */
  readonly client?: Subject | undefined;
  /** Its client was connected to an endpoint of root: no other user's takes that place. Without a policy. */
  readonly needsTrust?: boolean | undefined;
}

/** What the choice depends on besides the request: the registry's records and what this manager has seen. */
export interface Surroundings {
  readonly manager: string;
  /** The endpoints of this node are out of service. */
  readonly drained: boolean;
  readonly endpoints: readonly NetworkServiceEndpoint[];
  readonly managers: ReadonlyMap<string, registry.Manager>;
  /** What the local forwarder can join. */
  readonly wirings: WiringMatrix;
  readonly missingCapabilities: MissingCapabilities;
  /** What the policy lets a client have of an endpoint. */
  readonly pools: Pools;
  readonly gate: Pick<Gate, 'narrow' | 'admitUnprovided' | 'recordDenial' | 'isRuled'>;
  connections(endpoint: NetworkServiceEndpoint): number;
  /** Why an endpoint failed lately, or undefined. */
  recentFailure(endpoint: NetworkServiceEndpoint): string | undefined;
  /** A number that grows each time any endpoint is chosen: when this one last was. */
  lastChosen(endpoint: NetworkServiceEndpoint): number;
}

export interface Candidate {
  readonly endpoint: NetworkServiceEndpoint;
  readonly usable: boolean;
  readonly reason: string;
  /** Of the policy, the one that decided; '' without a policy. */
  readonly rule: string;
  /** The policy, and nothing else, stands against it: what there is, is not its client's to know. */
  readonly isDenied: boolean;
}

/**
 * Usable candidates first, the best leading: healthy before failed, local before remote, then the fewest
 * connections, then the endpoint not chosen for the longest time.
 */
export function rankEndpoints(wanted: Wanted, around: Surroundings): Candidate[] {
  const { endpoints, gate } = around;
  // What ends squatting where no policy says who provides what: root's endpoints leave no place for those of other users.
  const trustedOnly =
    !gate.isRuled && (wanted.needsTrust === true || endpoints.some(({ provider }) => provider?.trusted));
  const judged = endpoints.map((endpoint) => judge(endpoint, wanted, around, trustedOnly));
  const usable = judged
    .filter((candidate) => candidate.usable)
    .toSorted((a, b) => compare(a.endpoint, b.endpoint, around));
  return [...usable, ...judged.filter((candidate) => !candidate.usable)];
}

/**
 * The usable candidates in order.
 * @throws NsmError `no-endpoint` when no endpoint provides the service, `no-matching-endpoint` when none of them fits, `policy` when
 * the client may have none of them.
 */
export function selectEndpoints(
  wanted: Wanted,
  around: Surroundings,
  knownServices: () => Iterable<string>,
): NetworkServiceEndpoint[] {
  if (around.endpoints.length === 0) {
    around.gate.admitUnprovided(wanted.client, wanted.service);
    const known = [...new Set(knownServices())].toSorted();
    const list =
      known.length === 0 ? 'no network service is advertised yet' : `known: ${abbreviatedList(known)}`;
    throw new NsmError(
      'no-endpoint',
      `no endpoint provides network service ${quote(wanted.service)}; ${list}`,
    );
  }
  const candidates = rankEndpoints(wanted, around);
  for (const { endpoint, isDenied, rule, reason } of candidates)
    if (isDenied) around.gate.recordDenial(wanted.client, endpoint, { rule, reason });
  const usable = candidates.filter((candidate) => candidate.usable).map(({ endpoint }) => endpoint);
  if (usable.length > 0) return usable;
  const open = candidates.filter(({ isDenied }) => !isDenied);
  const [first] = candidates;
  if (first && open.length === 0) throw refusal(wanted.service, first);
  const reasons = open.map(({ endpoint, reason }) => `${endpoint.nseProviderName}: ${reason}`);
  throw new NsmError(
    'no-matching-endpoint',
    `no endpoint of network service ${quote(wanted.service)} fits: ${abbreviatedList(reasons, '; ')}`,
  );
}

/** Why the manager of an endpoint cannot be asked, if it cannot. */
export function absence(name: string, managers: Surroundings['managers']): string | undefined {
  const manager = managers.get(name);
  if (!manager) return `manager "${name}" is not registered`;
  if (manager.alive) return manager.drained ? `manager "${name}" is drained` : undefined;
  return manager.stopped ? `manager "${name}" was stopped` : `manager "${name}" does not answer`;
}

function judge(
  endpoint: NetworkServiceEndpoint,
  wanted: Wanted,
  around: Surroundings,
  trustedOnly: boolean,
): Candidate {
  const { gate, pools } = around;
  const asked = gate.isRuled ? spelledOut(wanted.interfaces, endpoint.interface, pools) : wanted.interfaces;
  const { interfaces, verdict } = gate.narrow(wanted.client, endpoint, asked);
  const { rule } = verdict;
  const isDenied = !verdict.allowed;
  const dropped = (reason: string): Candidate => ({ endpoint, usable: false, reason, rule, isDenied });
  if (isDenied) return dropped(verdict.reason);
  if (trustedOnly && !endpoint.provider?.trusted)
    return dropped(
      `user ${endpoint.provider?.uid ?? 'unknown'} provides it, and root provides the service too; a policy can allow it`,
    );
  const has = endpoint.labels?.selector ?? {};
  const missing = Object.entries(wanted.labels?.selector ?? {}).filter(([key, value]) => has[key] !== value);
  if (missing.length > 0) {
    return dropped(
      `label ${missing.map(([key, value]) => `${key}=${value} (has ${has[key] === undefined ? 'none' : has[key]})`).join(', ')} does not match`,
    );
  }
  const host = endpoint.networkServiceHost;
  const local = host === around.manager;
  if (local && around.drained) return dropped('this node is drained');
  const absent = local ? undefined : absence(host, around.managers);
  if (absent) return dropped(`its ${absent}`);
  const { wirings } = around;
  // What the other node can do with the endpoint's types is its manager's to say.
  const joined = local ? wirings.locally : wirings.remotely;
  if (!chooseInterfaces(interfaces, endpoint.interface, joined)) {
    const asked = new Set(wanted.interfaces.map(({ type }) => type));
    const reasons = around.missingCapabilities.ofInterfaces(asked, local ? 'locally' : 'tunnelled');
    return dropped(
      `no interface types that can be joined: the client asks for ${interfaceList(wanted.interfaces)}, the endpoint offers ` +
        `${interfaceList(endpoint.interface)}, this node can join ${local ? wirings.list('locally') : `${wirings.list('tunnelled')} to another node`}${reasons}`,
    );
  }
  const failure = around.recentFailure(endpoint);
  const count = around.connections(endpoint);
  const place = local ? 'on this node' : `on node ${host}`;
  return {
    endpoint,
    usable: true,
    rule,
    isDenied,
    reason: `${place}, ${count} ${count === 1 ? 'connection' : 'connections'}${failure ? `, tried last because it failed: ${failure}` : ''}`,
  };
}

function compare(a: NetworkServiceEndpoint, b: NetworkServiceEndpoint, around: Surroundings): number {
  const failed = (endpoint: NetworkServiceEndpoint): number =>
    around.recentFailure(endpoint) === undefined ? 0 : 1;
  const remote = (endpoint: NetworkServiceEndpoint): number =>
    endpoint.networkServiceHost === around.manager ? 0 : 1;
  return (
    failed(a) - failed(b) ||
    remote(a) - remote(b) ||
    around.connections(a) - around.connections(b) ||
    around.lastChosen(a) - around.lastChosen(b) ||
    a.nseProviderName.localeCompare(b.nseProviderName)
  );
}
