// The endpoints of a name, on all nodes.
import type { Output } from '@nsm/output';
import { endpointView } from '@nsm/views/endpoint-view';
import { labelsText } from '@nsm/views/texts';
import type { AdminClient } from '../../managers/admin-client.js';
import { notFound } from './not-found.js';

export async function describeEndpoint(admin: AdminClient, output: Output, name: string): Promise<void> {
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
}
