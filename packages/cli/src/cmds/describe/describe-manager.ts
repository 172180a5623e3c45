// The manager of this node: its parts, what its forwarder can make, and what is used of its limits.
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { NsmError } from '@nsm/api';
import { type Output, orDash } from '@nsm/output';
import {
  interfaceCapabilityView,
  type JoinView,
  joinView,
  onlyTunnelsText,
  onlyTunnelsView,
  tunnelCapabilityViews,
} from '@nsm/views/capability-view';
import { managerView } from '@nsm/views/manager-view';
import { howText } from '@nsm/views/texts';
import type { AdminClient } from '../../managers/admin-client.js';

export async function describeManager(admin: AdminClient, output: Output, name: string): Promise<void> {
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
      name,
      limit,
      most,
      refused,
      limitOfUser,
      mostOfUser,
    })),
    interfaceTypes: (status.capabilities?.interfaces ?? []).map(interfaceCapabilityView),
    joins: (status.capabilities?.joins ?? []).map(joinView),
    tunnelTypes: tunnelCapabilityViews(status.capabilities?.tunnels ?? []),
    onlyTunnels: status.onlyTunnels.map(onlyTunnelsView),
  };
  if (name !== '' && name !== view.name)
    throw new NsmError('not-found', `this is manager ${view.name}; ask ${name} on its own node`);
  if (output.json) return output.value(view);
  output.list([
    ['manager', view.name],
    ['address', view.address],
    ['version', view.version],
    ['security', view.security === 'insecure' ? output.paint('red', 'insecure: plain text') : view.security],
    [
      'certificate',
      view.certificate && `from ${view.certificate.source}, until ${view.certificate.validUntil}`,
    ],
    ['registry', `${view.registry} ${output.state(view.registrySynced ? 'synced' : 'not synced')}`],
    ['forwarder', view.forwarderError ? output.paint('red', view.forwarderError) : output.state('up')],
    ['policy', policyText(view, output)],
    ['audit log', view.auditLog && `${view.auditLog}${lostText(view.auditLost, output)}`],
    ['connections', String(view.connections)],
    ['endpoints', String(view.endpoints)],
    ['joins', listOf(view.joins.filter(({ tunnel }) => tunnel === ''))],
    ['over tunnels', listOf(view.joins.filter(({ tunnel }) => tunnel !== ''))],
    ['tunnels', onlyTunnelsText(view.onlyTunnels).replace(/^of which it/, 'this manager')],
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
    ['LIMIT', 'OF A POD', 'OF A USER', 'MOST OF A POD', 'MOST OF A USER', 'REFUSED'],
    view.limits.map(({ name, limit, limitOfUser, most, mostOfUser, refused }) => [
      name,
      ...[limit, limitOfUser, most, mostOfUser, refused].map(String),
    ]),
    'no limits',
  );
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
