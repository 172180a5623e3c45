// What stands in the way of a request beside the choice of an endpoint, as far as looking tells.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type admin, NsmError, traitsOf } from '@nsm/api';
import { ageText } from '@nsm/views/texts';
import type { Wanted } from '../choice/checks.js';
import { detailOf, isUp, namespaceOfOwner, stateOf } from '../state/connection.js';
import { ownHolder } from '../state/holder.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import { quote } from '../untrusted-text.js';
import type { ExplainComponents } from './components.js';
import type { Asker } from './who-asks.js';

type ProblemInit = MessageInitShape<typeof admin.ProblemSchema>;

export function problemOf(error: NsmError, refuses = true): ProblemInit {
  return { code: error.code, what: error.message, refuses };
}

/** Problems of this manager, for whoever asks. */
export function problemsHere(components: ExplainComponents): ProblemInit[] {
  const { registry, catalogue, source, credentials, connections } = components;
  const found: ProblemInit[] = [];
  if (credentials && credentials.validUntil.getTime() <= connections.now()) {
    const ended = `the certificate of this manager (${credentials.source}) ended at ${credentials.validUntil.toISOString()}`;
    const what = `${ended}: other managers refuse it until it has another`;
    found.push(problemOf(new NsmError('untrusted', what), false));
  }
  if (!registry.synced)
    found.push(
      problemOf(
        new NsmError(
          'registry',
          `registry ${registry.url} does not answer: what it knows may have changed since`,
        ),
        false,
      ),
    );
  if (catalogue.drained)
    found.push(
      problemOf(
        new NsmError(
          'no-endpoint',
          'this node is drained: its own endpoints take nobody; nsm drain --undo ends that',
        ),
        false,
      ),
    );
  if (source.error)
    found.push(
      problemOf(
        new NsmError('policy', `the policy that is in force is the former one: ${source.error}`),
        false,
      ),
    );
  return found;
}

/** Problems of the pod that would ask. */
export function problemsOf(components: ExplainComponents, wanted: Wanted, asker: Asker): ProblemInit[] {
  return [...pastOf(components, wanted, asker), ...inTheWayOf(components, wanted, asker)];
}

/** Problems of what the pod asked for before. */
function pastOf(
  { connections, refusals }: ExplainComponents,
  { service }: Wanted,
  { namespace }: Asker,
): ProblemInit[] {
  const found: ProblemInit[] = [];
  for (const connection of connections.values()) {
    const { id, owner } = connection;
    if (connection.service !== service || !owner || isUp(connection)) continue;
    if (!isSameNamespace(namespaceOfOwner(owner), namespace)) continue;
    const detail = detailOf(connection);
    const what = `its connection ${id} is ${stateOf(connection)}${detail ? `: ${detail}` : ''}`;
    found.push(problemOf(new NsmError('no-packets', what), false));
  }
  const last = refusals.of(namespace, service);
  if (last) {
    const age = ageText(new Date(last.at).toISOString(), connections.now());
    const end = last.error.kind === 'cancelled' ? 'was given up by its caller' : 'was refused';
    const what = `its last request (${quote(last.requestId)}, ${age} ago) ${end}: ${last.error.message}`;
    found.push({ code: last.error.code, what, refuses: false });
  }
  return found;
}

function inTheWayOf(components: ExplainComponents, wanted: Wanted, asker: Asker): ProblemInit[] {
  const { shares, connections, gate, catalogue } = components;
  const { client, namespace, interfaceNames } = asker;
  const found: ProblemInit[] = [];
  const holder = ownHolder({ uid: client.uid ?? 0, client, namespace });
  const providers = catalogue.of(wanted.service);
  const full = [
    shares.refusalOf('connections', holder, connections.holdings.connectionsOf(holder), {
      ruled: gate.limitOf('connections', client, providers),
    }),
    shares.refusalOf('addressPairs', holder, shares.heldOf('addressPairs', holder), {
      ruled: gate.limitOf('addressPairs', client, providers),
    }),
  ];
  for (const refusal of full) if (refusal) found.push(problemOf(refusal));
  for (const { type, parameters } of wanted.interfaces) {
    const { name } = parameters?.interfaceParameters ?? {};
    if (name === undefined || !traitsOf(type).hasDevice || !interfaceNames.includes(name)) continue;
    const what = `an interface named "${name}" exists already in the pod; choose another name, or leave the choice to the manager`;
    found.push(problemOf(new NsmError('dataplane', what)));
  }
  return found;
}
