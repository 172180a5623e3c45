// What a manager is asked for a bug report: files, by their names.
import { NsmError } from '@nsm/api';
import { interfaceCapabilityView, tunnelCapabilityViews } from '@nsm/views/capability-view';
import type { ConnectionView } from '@nsm/views/connection-view';
import { askExplanation } from '../../explanation/ask-explanation.js';
import type { AdminClient } from '../../managers/admin-client.js';
import { askStatus } from '../status/ask-status.js';
import { findingsOf } from '../status/findings.js';
import { type StatusView, statusView } from '../status/status-view.js';

/** Milliseconds for each call. */
const callMs = 5000;
/** Connections that are compared with the kernel, and explained: those that are not well come first. */
const mostCompared = 50;
const mostExplained = 20;

export interface Part {
  readonly name: string;
  readonly content: unknown;
}

/** What a manager said first, by which the rest of the mesh is found. */
export async function askFirst(admin: AdminClient): Promise<StatusView> {
  return statusView(await askStatus(admin, { timeoutMs: callMs }));
}

/** A part that cannot be had is told as the failure it is. */
export async function* managerParts(admin: AdminClient, view: StatusView): AsyncGenerator<Part> {
  const { managers, services, endpoints, connections, ...status } = view;
  yield { name: 'status.json', content: { ...status, findings: findingsOf(view, Date.now()) } };
  yield { name: 'managers.json', content: managers };
  yield { name: 'services.json', content: services };
  yield { name: 'endpoints.json', content: endpoints };
  yield await part('tunnels.json', () => tunnelsOf(admin));
  const worstFirst = connections.toSorted((one, other) => rankOf(one) - rankOf(other));
  const compared = await Promise.all(worstFirst.slice(0, mostCompared).map((one) => compare(admin, one)));
  yield { name: 'connections.json', content: [...compared, ...worstFirst.slice(mostCompared)] };
  yield await part('policy.txt', async () => {
    const { source, error, text } = await admin.getPolicy({}, { timeoutMs: callMs });
    return `# ${source || 'no policy'}${error === '' ? '' : `\n# a newer one is refused: ${error}`}\n${text}`;
  });
  const unwell = worstFirst.filter(({ state, role }) => state !== 'SYNCED' && role !== 'ENDPOINT');
  for (const [index, connection] of unwell.slice(0, mostExplained).entries())
    yield await part(`explained/${index + 1}.json`, () => explain(admin, connection));
}

async function part(name: string, make: () => Promise<unknown>): Promise<Part> {
  try {
    return { name, content: await make() };
  } catch (thrown) {
    return { name, content: { notToBeHad: NsmError.from(thrown).message } };
  }
}

async function tunnelsOf(admin: AdminClient): Promise<object> {
  const { capabilities, tunnels } = await admin.listTunnels({}, { timeoutMs: callMs });
  const { capabilities: all } = await admin.getManager({}, { timeoutMs: callMs });
  return {
    interfaces: (all?.interfaces ?? []).map(interfaceCapabilityView),
    kinds: tunnelCapabilityViews(capabilities),
    inUse: tunnels,
  };
}

async function compare(admin: AdminClient, view: ConnectionView): Promise<object> {
  try {
    const { differences, roundTripUs } = await admin.compareConnection(
      { id: view.id },
      { timeoutMs: callMs },
    );
    return { ...view, differences, roundTripUs };
  } catch (thrown) {
    return { ...view, notCompared: NsmError.from(thrown).message };
  }
}

async function explain(admin: AdminClient, { id, service, client }: ConnectionView): Promise<object> {
  const asked = { interface: [], label: [], ...(client.namespace === '' ? {} : { from: client.namespace }) };
  try {
    return { connection: id, ...(await askExplanation(admin, service, asked, callMs)) };
  } catch (thrown) {
    return { connection: id, service, refused: NsmError.from(thrown).message };
  }
}

/** What is broken comes before what is under way, and both before what is well. */
function rankOf({ state }: ConnectionView): number {
  const rank = ['FAILED', 'STALE', 'HEALING', 'CONNECTING', 'CLOSING'].indexOf(state);
  return rank < 0 ? Number.POSITIVE_INFINITY : rank;
}
