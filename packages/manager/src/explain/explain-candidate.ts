// One candidate in full: what the choice looked at, and what a request to it would come to.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type admin, type NetworkServiceEndpoint, NsmError, type NsmErrorKind, tunnelNames } from '@nsm/api';
import type { AddressPair } from '../addresses/address-pools.js';
import { nextPairs, obstacles, prefixesOf } from '../addresses/allocation.js';
import type { Check, Wanted } from '../choice/checks.js';
import { askedMtu, requireRoom } from '../choice/mtu.js';
import type { ExplainedCandidate } from '../choice/selection.js';
import { tunnelsTowards } from '../request/agree-on-tunnel.js';
import type { RequestComponents } from '../request/components.js';
import { type Heard, type Planned, planConnection } from '../request/plan-connection.js';
import type { ExplainComponents } from './components.js';
import type { Asker } from './who-asks.js';

type CandidateInit = MessageInitShape<typeof admin.CandidateSchema>;
type CheckInit = MessageInitShape<typeof admin.CheckSchema>;
type TunnelsInit = MessageInitShape<typeof admin.TunnelMatchSchema>;

/** A candidate, and what a request to it would come to; `planned` is undefined where the request would fail. */
export interface Told {
  readonly candidate: CandidateInit;
  readonly planned: Planned | undefined;
  /** The addresses that it would have, as far as this manager has them at hand. */
  readonly pairs: readonly AddressPair[];
}

export interface Question {
  readonly wanted: Wanted;
  readonly asker: Asker | undefined;
}

/** @param rank 1 is chosen first; 0: dropped. @param ask ask its manager what it could do. */
export async function explainCandidate(
  components: ExplainComponents,
  { wanted, asker }: Question,
  explained: ExplainedCandidate,
  { rank, ask }: { readonly rank: number; readonly ask: boolean },
): Promise<Told> {
  const { endpoint, reason, rule, checks, usable, lost } = explained;
  const local = endpoint.networkServiceHost === components.self.name;
  const found = await lookFurther(components, { wanted, asker }, explained, ask);
  const { further, tunnels, planned, pairs, connections } = found;
  const passed = further.every((one) => one.passed);
  return {
    planned: usable && passed ? planned : undefined,
    pairs,
    candidate: {
      endpoint,
      rank,
      reason,
      rule,
      lost,
      checks: [
        ...checks.filter((one) => !further.some(({ about }) => about === one.about)).map(inWords),
        ...further,
      ],
      labels: checks.flatMap((one) => (one.about === 'labels' ? one.labels.map(labelInit) : [])),
      interfaces: interfacesInit(explained, wanted, checks, passed ? planned : undefined),
      ...(local ? {} : { tunnels }),
      connections,
      recentFailure: components.health.recentFailure(endpoint) ?? '',
      local,
    },
  };
}

/** What planning a request to the candidate shows beside the checks of the choice. */
interface Further {
  readonly further: CheckInit[];
  readonly tunnels: TunnelsInit;
  planned?: Planned;
  pairs: readonly AddressPair[];
  /** Connections that the endpoint has, as far as is known here. */
  connections: number;
}

/** Plans a request, unless the candidate's manager is away or a check of the choice rules the candidate out. */
async function lookFurther(
  components: ExplainComponents,
  { wanted, asker }: Question,
  explained: ExplainedCandidate,
  ask: boolean,
): Promise<Further> {
  const { endpoint, checks } = explained;
  const { networkServiceHost: host } = endpoint;
  const { self, registry, connections } = components;
  const local = host === self.name;
  const tunnels: TunnelsInit = {};
  const found: Further = { further: [], tunnels, pairs: [], connections: connections.countOf(endpoint) };
  if (!local && registry.managers().get(host)?.alive !== true) return found;
  if (!local) Object.assign(tunnels, await tunnelsHere(components, wanted.service, host));
  const open = checks.every(({ about, passed }) => passed || about === 'labels' || about === 'provider');
  if (!ask || !open) return found;
  const policy = checks.find((one) => one.about === 'policy');
  const interfaces = policy?.verdict.allowed ? policy.allowed : wanted.interfaces;
  const client = asker?.client ?? wanted.client;
  const heard: Heard = (reply) => {
    found.connections = reply.connections;
    tunnels.there = reply.tunnels;
    tunnels.missingThere = reply.missingTunnels.map(({ type, why }) => ({ type, why }));
  };
  try {
    const how = { interfaces, namespace: asker?.namespace, heard };
    found.planned = await planConnection(components, { ...wanted, client }, endpoint, how);
    const addresses = addressesFor(components, asker, endpoint);
    found.further.push(...toldOf(components, found.planned, explained, tunnels), addresses.check);
    found.pairs = addresses.pairs;
  } catch (thrown) {
    const { kind, message } = NsmError.from(thrown);
    if (!tunnels.there)
      tunnels.unknown = kind === 'unimplemented' ? 'its manager is of an older version' : message;
    const about = failureAbout[kind] ?? (local ? 'interfaces' : 'tunnel');
    // An older manager may do it all the same.
    found.further.push({ about, passed: kind === 'unimplemented', text: message });
  }
  return found;
}

/** What a request that gets no further than its plan fails about; about the way to the endpoint where nothing is said. */
const failureAbout: Partial<Record<NsmErrorKind, string>> = {
  invalid: 'interfaces',
  'no-common-interface': 'interfaces',
  dataplane: 'interfaces',
  policy: 'policy',
  'no-address': 'addresses',
};

/** Addresses for the client, none of which its pod routes already. */
function addressesFor(
  components: Pick<ExplainComponents, 'pools' | 'prefixes' | 'registry'>,
  asker: Asker | undefined,
  endpoint: NetworkServiceEndpoint,
): { readonly check: CheckInit; readonly pairs: readonly AddressPair[] } {
  const prefixes = prefixesOf(components, endpoint);
  try {
    const inTheWay = obstacles(components, asker?.namespace.prefixes ?? []);
    const pairs = nextPairs(components, prefixes, inTheWay).flatMap((pair) => pair ?? []);
    const text = pairs.map(({ client }) => client).join(', ') || `of ${prefixes.join(', ')}`;
    return { check: { about: 'addresses', passed: true, text }, pairs };
  } catch (thrown) {
    return { check: { about: 'addresses', passed: false, text: NsmError.from(thrown).message }, pairs: [] };
  }
}

async function tunnelsHere(
  components: RequestComponents,
  service: string,
  manager: string,
): Promise<TunnelsInit> {
  try {
    const remote = await components.peers.resolve(manager, components.peers.addressOf(manager));
    const { tunnels, obstacles } = await tunnelsTowards(components, remote, service, () => true);
    return {
      here: tunnels.map(({ type }) => type),
      missingHere: components.abilities.missingCapabilities.tunnelsBut(tunnels, obstacles),
    };
  } catch (thrown) {
    return { unknown: NsmError.from(thrown).message };
  }
}

/** The tunnel, and whether what the addresses need goes through. */
function toldOf(
  components: RequestComponents,
  { tunnel, mtu, agreed }: Planned,
  { endpoint }: ExplainedCandidate,
  tunnels: TunnelsInit,
): CheckInit[] {
  if (tunnel) Object.assign(tunnels, { chosen: tunnel.type, mtu });
  const way = tunnel ? [{ about: 'tunnel', passed: true, text: tunnelNames[tunnel.type] ?? '' }] : [];
  const asked = askedMtu(agreed.client);
  try {
    requireRoom(mtu, { usual: mtu, most: mtu, asked }, prefixesOf(components, endpoint));
    const less = asked !== undefined && mtu < asked ? `, less than the ${asked} that are asked for` : '';
    return [
      ...way,
      {
        about: 'mtu',
        passed: true,
        text: `${mtu} bytes${less}${tunnel ? ', not measured (nsm check measures)' : ''}`,
      },
    ];
  } catch (thrown) {
    return [...way, { about: 'mtu', passed: false, text: NsmError.from(thrown).message }];
  }
}

function inWords({ about, passed, text }: Check): CheckInit {
  return { about, passed, text: text() };
}

function labelInit({ key, wanted, has }: { key: string; wanted: string; has: string | undefined }) {
  return { key, wanted, ...(has === undefined ? {} : { has }) };
}

function interfacesInit(
  { endpoint }: ExplainedCandidate,
  { interfaces }: Wanted,
  checks: readonly Check[],
  planned: Planned | undefined,
) {
  const chosen = checks.find((one) => one.about === 'interfaces')?.agreed;
  const agreed = planned?.agreed ?? chosen;
  const policy = checks.find((one) => one.about === 'policy');
  const types = new Set(policy?.allowed.map(({ type }) => type));
  return {
    asked: interfaces.map(({ type }) => type),
    offered: endpoint.interface.map(({ type }) => type),
    // A policy that refuses as a whole says so itself.
    denied: policy?.passed
      ? interfaces.map(({ type }) => type).filter((type) => type !== 0 && !types.has(type))
      : [],
    ...(agreed ? { client: agreed.client, endpoint: agreed.endpoint } : {}),
  };
}
