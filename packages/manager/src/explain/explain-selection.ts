// What a request would come to, and why: told from the choice itself and from the steps of a request that take nothing.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type admin, NsmError, traitsOf } from '@nsm/api';
import { type EndpointKey, endpointKey } from '@nsm/registry';
import { prefixesOf } from '../addresses/allocation.js';
import type { ExplainedCandidate } from '../choice/selection.js';
import { forEachLimited } from '../limited-concurrency.js';
import { namesToBe } from '../request/attempt.js';
import type { Planned } from '../request/plan-connection.js';
import type { ExplainComponents } from './components.js';
import { explainCandidate, type Question, type Told } from './explain-candidate.js';
import { refusalInit } from './list-refusals.js';
import { problemsHere, problemsOf, refusing } from './problems.js';
import { type Asker, whoAsks } from './who-asks.js';

type Reply = MessageInitShape<typeof admin.ExplainSelectionReplySchema>;
type PlanInit = MessageInitShape<typeof admin.PlanSchema>;

/** Candidates whose managers are asked what they could do; a request tries fewer. */
const mostAsked = 16;
/** Candidates that are told of in full: all candidates go into one reply. */
const mostInFull = 256;

export async function explainSelection(
  components: ExplainComponents,
  request: admin.ExplainSelectionRequest,
): Promise<Reply> {
  const { networkServiceName: service, subject, from, lastRefused } = request;
  const problems = problemsHere(components);
  let asker: Asker | undefined;
  try {
    if (from !== '') asker = await whoAsks(components, from, subject);
  } catch (thrown) {
    problems.push(refusing(NsmError.from(thrown)));
  }
  const refused = asker && lastRefused ? components.refusals.of(asker.namespace, service) : undefined;
  if (asker && refused && !subject)
    asker = { ...asker, client: { ...components.subjects.again(refused.client), pid: 0 } };
  const { labels, interface: interfaces } = refused ?? request;
  const client = asker?.client ?? (subject && components.subjects.described(subject));
  const wanted = { service, labels, interfaces, client };
  const explained = components.catalogue.explain(wanted);
  const told: Told[] = [];
  const question: Question = { wanted, asker };
  await forEachLimited([...explained.entries()], async ([index, one]) => {
    const rank = one.usable ? index + 1 : 0;
    told[index] =
      index < mostInFull
        ? await explainCandidate(components, question, one, { rank, ask: index < mostAsked })
        : inShort(one, rank);
  });
  if (asker) problems.push(...problemsOf(components, wanted, asker));
  const chosen = told.find(({ planned }) => planned !== undefined);
  const isRefused = problems.some(({ refuses }) => refuses);
  return {
    candidates: told.map(({ candidate }) => candidate),
    problems,
    ...(client ? { client } : {}),
    ...(refused ? { refused: refusalInit(refused) } : {}),
    ...(chosen?.planned && !isRefused ? { plan: planOf(components, question, chosen, chosen.planned) } : {}),
  };
}

function inShort({ endpoint, reason, rule, lost }: ExplainedCandidate, rank: number): Told {
  return { candidate: { endpoint, rank, reason, rule, lost }, planned: undefined, pairs: [] };
}

function planOf(
  components: ExplainComponents,
  { asker }: Question,
  { candidate: { endpoint }, pairs }: Told,
  { agreed, tunnel, mtu }: Planned,
): PlanInit {
  const key = endpoint && endpointKey(endpoint as EndpointKey);
  const record = components.catalogue.all().find((one) => endpointKey(one) === key);
  const prefixes = record ? prefixesOf(components, record) : [];
  return {
    nseProviderName: endpoint?.nseProviderName ?? '',
    nseProviderNamespace: endpoint?.nseProviderNamespace ?? '',
    manager: endpoint?.networkServiceHost ?? '',
    interface: agreed.client,
    endpointInterface: agreed.endpoint,
    interfaceName: asker && traitsOf(agreed.client.type).hasDevice ? nameIn(components, asker, agreed) : '',
    pairs: pairs.map(({ client, endpoint: other }) => ({ client, endpoint: other })),
    prefixes: [...prefixes],
    ...(tunnel ? { tunnel } : {}),
    mtu,
  };
}

function nameIn(
  components: ExplainComponents,
  { namespace, interfaceNames }: Asker,
  { client }: Planned['agreed'],
): string {
  const wanted = client.parameters?.interfaceParameters.name ?? 'nsm%d';
  const taken = new Set([...interfaceNames, ...namesToBe(components, '', namespace)]);
  for (let number = 0; ; number++) {
    const name = wanted.replace('%d', String(number));
    if (name === wanted || !taken.has(name)) return name;
  }
}
