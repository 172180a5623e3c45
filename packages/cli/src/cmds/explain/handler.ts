// Asks the manager how it would choose.

import { abbreviatedList, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { parseSubject } from '@nsm/policy';
import { interfaceFields } from '@nsm/sdk';
import { withAdmin } from '../../admin-client.js';
import { printCandidates } from '../../candidates.js';
import { labelsOf } from '../../common-flags.js';
import { exitStatus } from '../../exit-status.js';
import { candidateView } from '../../views.js';
import type { ExplainFlags } from './flags.js';

export async function runExplain(service: string, flags: ExplainFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const interfaces = flags.interface.length > 0 ? flags.interface : (['kernel'] as const);
  const { candidates } = await withAdmin(flags.runDir, async (admin) => {
    const explained = await admin.explainSelection({
      networkServiceName: service,
      labels: { selector: labelsOf(flags.label) },
      interface: interfaces.map(interfaceFields),
      ...(flags.as === undefined ? {} : { subject: parseSubject(flags.as) }),
    });
    if (explained.candidates.length === 0) throw unknownService(service, await admin.listServices({}));
    return explained;
  });
  const views = candidates.map(candidateView);
  if (output.json) output.value(views);
  else printCandidates(output, service, views);
  if (!views.some(({ rank }) => rank > 0)) process.exitCode = exitStatus.failed;
}

function unknownService(
  service: string,
  { services }: { readonly services: readonly { name: string }[] },
): NsmError {
  const known = abbreviatedList(services.map(({ name }) => name));
  return new NsmError(
    'no-endpoint',
    `no endpoint provides network service "${service}"; ${known ? `known: ${known}` : 'there is none yet'}`,
  );
}
