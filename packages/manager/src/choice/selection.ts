// Which endpoint serves a request: every candidate, in order, each with the reason for its place.
import { abbreviatedList, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { refusal } from '../policy/gate.js';
import { quote } from '../untrusted-text.js';
import { type Check, checksOf, isLocal, type Surroundings, type Wanted } from './checks.js';

export interface Candidate {
  readonly endpoint: NetworkServiceEndpoint;
  readonly usable: boolean;
  readonly reason: string;
  /** The rule of the policy that decided; '' without a policy. */
  readonly rule: string;
  /** The policy, and nothing else, keeps the candidate from the client, who is not told what else there is. */
  readonly isDenied: boolean;
}

/** A candidate with everything that it was looked at for, also after the first check that it did not pass. */
export interface ExplainedCandidate extends Candidate {
  readonly checks: readonly Check[];
  /** Why another candidate goes first; '' for the first candidate and for dropped ones. */
  readonly lost: string;
}

/**
 * Usable candidates first, the best leading: healthy before failed, local before remote, then the fewest
 * connections, then the endpoint not chosen for the longest time.
 */
export function rankEndpoints(wanted: Wanted, around: Surroundings): Candidate[] {
  return inOrder(wanted, around, judge);
}

/** As `rankEndpoints`, for those who want to know all about each. */
export function explainEndpoints(wanted: Wanted, around: Surroundings): ExplainedCandidate[] {
  const candidates = inOrder(wanted, around, (endpoint, checks) => {
    const all = [...checks];
    return { ...judge(endpoint, all, around), checks: all };
  });
  const [first] = candidates;
  return candidates.map((one) => {
    const isBehind = one.usable && first !== undefined && one !== first;
    return { ...one, lost: isBehind ? whyAfter(one.endpoint, first.endpoint, around) : '' };
  });
}

function inOrder<C extends Candidate>(
  wanted: Wanted,
  around: Surroundings,
  judged: (endpoint: NetworkServiceEndpoint, checks: Iterable<Check>, around: Surroundings) => C,
): C[] {
  const { endpoints, gate } = around;
  // What ends squatting where no policy says who provides what: root's endpoints leave no place for those of other users.
  const trustedOnly =
    !gate.isRuled && (wanted.needsTrust === true || endpoints.some(({ provider }) => provider?.trusted));
  const candidates = endpoints.map((endpoint) =>
    judged(endpoint, checksOf(endpoint, wanted, around, trustedOnly), around),
  );
  const usable = candidates
    .filter((candidate) => candidate.usable)
    .toSorted((a, b) => compare(a.endpoint, b.endpoint, around));
  return [...usable, ...candidates.filter((candidate) => !candidate.usable)];
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
  isRegistryAway = false,
): NetworkServiceEndpoint[] {
  if (around.endpoints.length === 0) {
    around.gate.admitUnprovided(wanted.client, wanted.service);
    const known = [...new Set(knownServices())].toSorted();
    const list =
      known.length === 0 ? 'no network service is advertised yet' : `known: ${abbreviatedList(known)}`;
    const since = isRegistryAway
      ? '; the registry does not answer: endpoints that came since are not known here'
      : '';
    throw new NsmError(
      'no-endpoint',
      `no endpoint provides network service ${quote(wanted.service)}; ${list}${since}`,
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

/** The first check that fails decides: those after it are not made. */
function judge(endpoint: NetworkServiceEndpoint, checks: Iterable<Check>, around: Surroundings): Candidate {
  let rule = '';
  for (const check of checks) {
    if (check.about === 'policy') rule = check.verdict.rule;
    if (check.passed) continue;
    return { endpoint, usable: false, reason: check.text(), rule, isDenied: check.about === 'policy' };
  }
  const count = around.connections(endpoint);
  const failure = around.recentFailure(endpoint);
  const place = isLocal(endpoint, around) ? 'on this node' : `on node ${endpoint.networkServiceHost}`;
  const reason = `${place}, ${count} ${count === 1 ? 'connection' : 'connections'}${failure ? `, tried last because it failed: ${failure}` : ''}`;
  return { endpoint, usable: true, reason, rule, isDenied: false };
}

/** By what one usable candidate goes before another, the first difference deciding: what is less goes first. */
const criteria: readonly (readonly [
  why: string,
  of: (endpoint: NetworkServiceEndpoint, around: Surroundings) => number,
])[] = [
  ['it failed lately', (endpoint, around) => (around.recentFailure(endpoint) === undefined ? 0 : 1)],
  ['it is on another node', (endpoint, around) => (isLocal(endpoint, around) ? 0 : 1)],
  ['it has more connections of this node', (endpoint, around) => around.connections(endpoint)],
  ['it was chosen later', (endpoint, around) => around.lastChosen(endpoint)],
];

function compare(a: NetworkServiceEndpoint, b: NetworkServiceEndpoint, around: Surroundings): number {
  for (const [, of] of criteria) {
    const difference = of(a, around) - of(b, around);
    if (difference !== 0) return difference;
  }
  return a.nseProviderName.localeCompare(b.nseProviderName);
}

/** Why a usable candidate comes after another. */
function whyAfter(
  endpoint: NetworkServiceEndpoint,
  before: NetworkServiceEndpoint,
  around: Surroundings,
): string {
  const decisive = criteria.find(([, of]) => of(endpoint, around) !== of(before, around));
  return decisive?.[0] ?? 'all else is equal, and its name comes later';
}
