// Lists of services, endpoints, managers, connections, interface types and tunnels.

import { abbreviatedList, NsmError } from '@nsm/api';
import { Output, orDash } from '@nsm/output';
import {
  interfaceCapabilityView,
  type TunnelCapabilityView,
  tunnelCapabilityViews,
} from '@nsm/views/capability-view';
import { tunnelView } from '@nsm/views/connection-view';
import { endpointView } from '@nsm/views/endpoint-view';
import { managerView } from '@nsm/views/manager-view';
import { howText, labelsText, managerState } from '@nsm/views/texts';
import { type AdminClient, withAdmin } from '../../managers/admin-client.js';
import type { GetFlags, GetKind } from './flags.js';
import { listConnections } from './list-connections.js';

export async function runGet(what: GetKind, flags: GetFlags): Promise<void> {
  const output = new Output(flags.json === true);
  await withAdmin(flags.runDir, async (admin) => {
    // Where it is all that is asked for, its silence is an error.
    if (what !== 'interfaces') await warnOfSilence(admin, what);
    await lists[what](admin, output, flags);
  });
}

const ofTheRegistry: ReadonlySet<GetKind> = new Set(['services', 'endpoints', 'managers']);

/** What is missing in a list would be taken for the truth. */
async function warnOfSilence(admin: AdminClient, what: GetKind): Promise<void> {
  const { registry, registrySynced, forwarderError } = await admin.getManager({});
  const warnings = new Output(false, process.stderr);
  if (!registrySynced && ofTheRegistry.has(what))
    warnings.line(`nsm: registry ${registry} does not answer: the list may be old or incomplete`);
  if (forwarderError !== '')
    warnings.line(`nsm: ${forwarderError}: connections go on, but none is made, mended or counted`);
}

type List = (admin: AdminClient, output: Output, flags: GetFlags) => Promise<void>;

const lists: Readonly<Record<GetKind, List>> = {
  async services(admin, output) {
    const { services } = await admin.listServices({});
    const views = services.map(({ name, endpoints, managers }) => ({ name, endpoints, managers }));
    if (output.json) return output.value(views);
    output.table(
      ['SERVICE', 'ENDPOINTS', 'MANAGERS'],
      views.map(({ name, endpoints, managers }) => [
        name,
        String(endpoints),
        orDash(abbreviatedList(managers)),
      ]),
      'no network services: no endpoint is advertised (nsm endpoint --help)',
    );
  },

  async endpoints(admin, output) {
    const { endpoints } = await admin.listEndpoints({});
    const views = endpoints.map(({ endpoint, connections, unavailable }) => ({
      ...endpointView(endpoint),
      connections,
      unavailable,
    }));
    if (output.json) return output.value(views);
    output.wideTable(
      ['ENDPOINT', 'NAMESPACE', 'SERVICE', 'MANAGER', 'INTERFACES', 'LABELS', 'CONNECTIONS', 'STATE'],
      views.map((view) => [
        view.name,
        view.namespace,
        view.service,
        orDash(view.manager),
        orDash(view.interfaces.join(',')),
        orDash(labelsText(view.labels)),
        String(view.connections),
        view.unavailable ? output.paint('red', view.unavailable) : output.state('up'),
      ]),
      'no endpoints: none is advertised (nsm endpoint --help)',
    );
  },

  async managers(admin, output) {
    const { managers, silent } = await admin.listManagers({});
    const views = managers.map((manager) => managerView(manager, silent));
    if (output.json) return output.value(views);
    output.table(
      ['MANAGER', 'ADDRESS', 'EXTERNAL', 'VERSION', 'SECURITY', 'STATE'],
      views.map((view) => [
        view.name,
        orDash(view.address),
        view.external ? 'yes' : '-',
        orDash(view.version),
        view.security === 'insecure' ? output.paint('red', view.security) : orDash(view.security),
        output.state(managerState(view)),
      ]),
      'no managers: the registry holds none yet',
    );
  },

  connections: listConnections,

  async interfaces(admin, output) {
    const { capabilities, forwarderError } = await admin.getManager({});
    if (!capabilities) throw new NsmError('dataplane', forwarderError);
    const views = capabilities.interfaces.map(interfaceCapabilityView);
    if (output.json) return output.value(views);
    output.table(
      ['INTERFACE', 'WORKS', 'HOW'],
      views.map((view) => [view.type, output.state(view.works ? 'yes' : 'no'), orDash(howText(view))]),
      'this node can make no interface',
    );
  },

  async tunnels(admin, output) {
    const reply = await admin.listTunnels({});
    const capabilities = tunnelCapabilityViews(reply.capabilities);
    const tunnels = reply.tunnels.map(({ connectionId, peerManager, tunnel, mtu }) => ({
      connectionId,
      peerManager,
      mtu,
      ...(tunnel ? tunnelView(tunnel) : {}),
    }));
    if (output.json) return output.value({ capabilities, tunnels });
    output.wideTable(
      ['CONNECTION', 'PEER', 'TUNNEL', 'IDENTIFIER', 'LOCAL', 'REMOTE', 'MTU'],
      tunnels.map((tunnel) => [
        tunnel.connectionId,
        orDash(tunnel.peerManager),
        orDash(tunnel.type ?? ''),
        String(tunnel.identifier ?? '-'),
        orDash(tunnel.local ?? ''),
        orDash(tunnel.remote ?? ''),
        String(tunnel.mtu),
      ]),
      'no tunnels in use',
    );
    output.line('');
    output.table(
      ['TUNNEL', 'WORKS', 'HOW'],
      capabilities.map((view) => [view.type, output.state(worksText(view)), orDash(howText(view))]),
      'this node can do no tunnel',
    );
  },
};

function worksText({ works, obstacles }: TunnelCapabilityView): string {
  if (!works) return 'no';
  return obstacles.length > 0 ? 'unsure' : 'yes';
}
