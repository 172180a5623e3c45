// What stands in the way of a request beside the choice of an endpoint, as far as looking tells.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type admin, NsmError, type NsmErrorKind, traitsOf } from '@nsm/api';
import { ageText } from '@nsm/views/texts';
import type { Wanted } from '../choice/checks.js';
import { detailOf, isUp, namespaceOfOwner, stateOf } from '../state/connection.js';
import { ownHolder } from '../state/holder.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import { quote } from '../untrusted-text.js';
import type { ExplainComponents } from './components.js';
import type { Asker } from './who-asks.js';

type ProblemInit = MessageInitShape<typeof admin.ProblemSchema>;

/** A problem for which a request would be refused. */
export function refusing(error: NsmError): ProblemInit {
  return { code: error.code, what: error.message, refuses: true };
}

/** A problem that a request may live with. */
function worthTelling(kind: NsmErrorKind, what: string): ProblemInit {
  return { code: new NsmError(kind, what).code, what, refuses: false };
}

/** Problems of this manager, whichever pod would ask. */
export function problemsHere(components: ExplainComponents): ProblemInit[] {
  const { registry, catalogue, source, credentials, connections } = components;
  const found: ProblemInit[] = [];
  if (credentials && credentials.validUntil.getTime() <= connections.now()) {
    const ended = `the certificate of this manager (${credentials.source}) ended at ${credentials.validUntil.toISOString()}`;
    found.push(worthTelling('untrusted', `${ended}: other managers refuse it until it has another`));
  }
  if (!registry.synced) {
    const what = `registry ${registry.url} does not answer: what it knows may have changed since`;
    found.push(worthTelling('registry', what));
  }
  if (catalogue.drained) {
    const what = 'this node is drained: its own endpoints take nobody; nsm drain --undo ends that';
    found.push(worthTelling('no-endpoint', what));
  }
  if (source.error)
    found.push(worthTelling('policy', `the policy that is in force is the former one: ${source.error}`));
  return found;
}

/** Problems of the pod that would ask. */
export function problemsOf(components: ExplainComponents, wanted: Wanted, asker: Asker): ProblemInit[] {
  return [...pastOf(components, wanted, asker), ...presentOf(components, wanted, asker)];
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
    found.push(worthTelling('no-packets', what));
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

/** Problems of what the pod has now. */
function presentOf(components: ExplainComponents, wanted: Wanted, asker: Asker): ProblemInit[] {
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
  for (const refusal of full) if (refusal) found.push(refusing(refusal));
  for (const { type, parameters } of wanted.interfaces) {
    const { name } = parameters?.interfaceParameters ?? {};
    if (name === undefined || !traitsOf(type).hasDevice || !interfaceNames.includes(name)) continue;
    const what = `an interface named "${name}" exists already in the pod; choose another name, or leave the choice to the manager`;
    found.push(refusing(new NsmError('dataplane', what)));
  }
  return found;
}
