// One manager, service, endpoint, connection, or the tunnels of the node, in full.
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { abbreviatedList, NsmError } from '@nsm/api';
import { Output, orDash } from '@nsm/output';
import { interfaceFields } from '@nsm/sdk';
import { type AdminClient, withAdmin } from '../../admin-client.js';
import { printCandidates } from '../../candidates.js';
import {
  interfaceCapabilityView,
  type JoinView,
  joinView,
  tunnelCapabilityViews,
} from '../../capability-views.js';
import { howText, labelsText, stateText } from '../../view-texts.js';
import {
  type ConnectionView,
  candidateView,
  connectionView,
  endpointView,
  managerView,
  type SideView,
} from '../../views.js';
import { runGet } from '../get/handler.js';
import type { DescribeFlags, DescribeKind } from './flags.js';

export async function runDescribe(what: DescribeKind, name: string, flags: DescribeFlags): Promise<void> {
  if (what === 'tunnel') return await runGet('tunnels', flags);
  const output = new Output(flags.json === true);
  await withAdmin(flags.runDir, (admin) => describe[what](admin, output, name));
}

function listOf(joins: readonly JoinView[]): string {
  const names = joins.map(({ client, endpoint }) =>
    endpoint === '' || endpoint === client ? client : `${client} to ${endpoint}`,
  );
  return [...new Set(names)].join(', ');
}

/** Without a policy everything is one trust domain, and whoever looks is told so. */
function policyText(view: { readonly policy: string; readonly policyError: string }, output: Output): string {
  if (view.policy === '')
    return 'none: every pod may provide and ask, and all of the mesh is one trust domain';
  return view.policyError
    ? `${view.policy} ${output.paint('red', 'changed, and refused: the former one is in force')}`
    : view.policy;
}

function lostText(lost: number, output: Output): string {
  return lost > 0 ? ` ${output.paint('red', `${lost} lines lost`)}` : '';
}

type Describe = (admin: AdminClient, output: Output, name: string) => Promise<void>;

const describe: Readonly<Record<Exclude<DescribeKind, 'tunnel'>, Describe>> = {
  async manager(admin, output, name) {
    const status = await admin.getManager({});
    const view = {
      ...managerView(status.manager),
      registry: status.registry,
      registrySynced: status.registrySynced,
      ...(status.certificateUntil && {
        certificate: {
          source: status.certificateSource,
          validUntil: timestampDate(status.certificateUntil).toISOString(),
        },
      }),
      forwarderError: status.forwarderError,
      policy: status.policy,
      policyError: status.policyError,
      auditLog: status.auditLog,
      auditLost: Number(status.auditLost),
      connections: status.connections,
      endpoints: status.endpoints,
      limits: status.limits.map(({ name, limit, most, refused, limitOfUser, mostOfUser }) => ({
        ...{ name, limit, most, refused, limitOfUser, mostOfUser },
      })),
      interfaceTypes: (status.capabilities?.interfaces ?? []).map(interfaceCapabilityView),
      joins: (status.capabilities?.joins ?? []).map(joinView),
      tunnelTypes: tunnelCapabilityViews(status.capabilities?.tunnels ?? []),
    };
    if (name !== '' && name !== view.name)
      throw new NsmError('not-found', `this is manager ${view.name}; ask ${name} on its own node`);
    if (output.json) return output.value(view);
    output.list([
      ['manager', view.name],
      ['address', view.address],
      ['version', view.version],
      [
        'security',
        view.security === 'insecure' ? output.paint('red', 'insecure: plain text') : view.security,
      ],
      [
        'certificate',
        view.certificate && `of ${view.certificate.source}, until ${view.certificate.validUntil}`,
      ],
      ['registry', `${view.registry} ${output.state(view.registrySynced ? 'synced' : 'not synced')}`],
      ['forwarder', view.forwarderError ? output.paint('red', view.forwarderError) : output.state('up')],
      ['policy', policyText(view, output)],
      ['audit log', view.auditLog && `${view.auditLog}${lostText(view.auditLost, output)}`],
      ['connections', String(view.connections)],
      ['endpoints', String(view.endpoints)],
      ['joins', listOf(view.joins.filter(({ tunnel }) => tunnel === ''))],
      ['over tunnels', listOf(view.joins.filter(({ tunnel }) => tunnel !== ''))],
    ]);
    output.line('');
    output.table(
      ['KIND', 'TYPE', 'WORKS', 'HOW'],
      [
        ...view.interfaceTypes.map((capability) => ({ kind: 'interface', ...capability })),
        ...view.tunnelTypes.map((capability) => ({ kind: 'tunnel', ...capability })),
      ].map(({ kind, ...view }) => [
        kind,
        view.type,
        output.state(view.works ? 'yes' : 'no'),
        orDash(howText(view)),
      ]),
      'the forwarder offers nothing',
    );
    output.line('');
    output.table(
      ['LIMIT', 'OF A POD', 'OF A USER', 'MOST', 'OF A USER', 'REFUSED'],
      view.limits.map(({ name, limit, limitOfUser, most, mostOfUser, refused }) => [
        name,
        ...[limit, limitOfUser, most, mostOfUser, refused].map(String),
      ]),
      'no limits',
    );
  },

  async service(admin, output, name) {
    const [{ services }, { candidates }] = await Promise.all([
      admin.listServices({}),
      admin.explainSelection({ networkServiceName: name, interface: [interfaceFields('default')] }),
    ]);
    const service = services.find((one) => one.name === name);
    if (!service)
      throw notFound(
        'network service',
        name,
        services.map((one) => one.name),
      );
    const view = {
      name,
      endpoints: service.endpoints,
      managers: service.managers,
      candidates: candidates.map(candidateView),
    };
    if (output.json) return output.value(view);
    output.list([
      ['service', name],
      ['endpoints', String(view.endpoints)],
      ['managers', abbreviatedList(view.managers)],
    ]);
    output.line('');
    printCandidates(output, name, view.candidates);
  },

  async endpoint(admin, output, name) {
    const { endpoints } = await admin.listEndpoints({});
    const views = endpoints
      .map(({ endpoint, connections, unavailable }) => ({
        ...endpointView(endpoint),
        connections,
        unavailable,
      }))
      .filter((view) => view.name === name || `${view.namespace}/${view.name}` === name);
    if (views.length === 0)
      throw notFound('endpoint', name, [
        ...new Set(endpoints.map((one) => one.endpoint?.nseProviderName ?? '')),
      ]);
    if (output.json) return output.value(views);
    views.forEach((view, index) => {
      if (index > 0) output.line('');
      output.list([
        ['endpoint', `${view.namespace}/${view.name}`],
        ['service', view.service],
        ['manager', view.manager],
        ['interfaces', view.interfaces.join(', ')],
        ['labels', labelsText(view.labels)],
        ['prefixes', view.prefixes.join(', ')],
        ['socket', view.socket],
        ['connections', String(view.connections)],
        ['state', view.unavailable || output.state('up')],
      ]);
    });
  },

  async connection(admin, output, name) {
    const views = (await admin.listConnections({})).connections.map(connectionView);
    const found = views.filter((view) => view.id === name || view.requestId === name);
    if (found.length === 0)
      throw notFound(
        'connection',
        name,
        views.map(({ id }) => id),
      );
    if (output.json) return output.value(found.length === 1 ? found[0] : found);
    found.forEach((view, index) => {
      if (index > 0) output.line('');
      printConnection(output, view);
      output.line('');
      output.table(
        ['TIME', 'STATE', 'WHY'],
        view.history.map(({ time, state, detail }) => [time ?? '', output.state(state), orDash(detail)]),
        'no history',
      );
    });
  },
};

function printConnection(output: Output, view: ConnectionView): void {
  const { tunnel, statistics } = view;
  output.list(
    [
      ['connection', view.id],
      ['state', stateText(view, output.state(view.state))],
      ['since', view.since ?? ''],
      ['service', view.service],
      ['request id', view.requestId],
      ['role', view.role],
      ['endpoint', `${view.endpointNamespace}/${view.endpoint}`],
      ['peer manager', view.peerManager],
      ['interface type', view.interface],
      ...sideEntries('client', view.client),
      ...sideEntries('endpoint', view.endpointSide),
      [
        'tunnel',
        tunnel
          ? `${tunnel.type} ${tunnel.identifier}, ${tunnel.local} to ${tunnel.remote}${tunnel.port ? `, port ${tunnel.port}` : ''}`
          : '',
      ],
      [
        'received',
        statistics &&
          `${statistics.receivedPackets} packets, ${statistics.receivedBytes} bytes, ${statistics.receivedDrops} dropped`,
      ],
      [
        'sent',
        statistics &&
          `${statistics.sentPackets} packets, ${statistics.sentBytes} bytes, ${statistics.sentDrops} dropped`,
      ],
      [
        'drops',
        Object.entries(statistics?.drops ?? {})
          .map(([reason, count]) => `${count} ${reason}`)
          .join('; '),
      ],
    ].map(([name = '', value]) => [name ?? '', value ?? undefined]),
  );
}

function sideEntries(side: string, view: SideView): [string, string][] {
  const device = [view.interfaceName, view.mac, view.mtu > 0 ? `MTU ${view.mtu}` : '']
    .filter((part) => part !== '')
    .join(', ');
  return [
    [`${side} interface`, device],
    [`${side} namespace`, view.namespace],
    [`${side} address`, view.addresses.join(', ')],
    [`${side} routes`, abbreviatedList(view.routes, ', ', view.routeCount)],
    [`${side} dns`, view.dns.join(', ')],
  ];
}

function notFound(what: string, name: string, known: readonly string[]): NsmError {
  const others = known.length > 0 ? `known: ${abbreviatedList(known)}` : 'there is none';
  return new NsmError('not-found', `no ${what} "${name}"; ${others}`);
}
