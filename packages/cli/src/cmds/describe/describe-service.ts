// A network service: who provides it, and which endpoint a client of this node would get.
import { abbreviatedList } from '@nsm/api';
import type { Output } from '@nsm/output';
import { interfaceFields } from '@nsm/sdk';
import { candidateView } from '@nsm/views/endpoint-view';
import { printCandidates } from '../../explanation/candidates.js';
import type { AdminClient } from '../../managers/admin-client.js';
import { notFound } from './not-found.js';

export async function describeService(admin: AdminClient, output: Output, name: string): Promise<void> {
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
}
