// Asks the manager how it would choose, and what a request would come to.
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { withAdmin } from '../../admin-client.js';
import { askExplanation } from '../../ask-explanation.js';
import { exitStatus } from '../../exit-status.js';
import { printExplanation } from '../../explanation.js';
import { explainPod } from './explain-pod.js';
import type { ExplainFlags } from './flags.js';

/** @throws NsmError `invalid` where neither the network service nor a pod is named. */
export async function runExplain(service: string | undefined, flags: ExplainFlags): Promise<void> {
  if (service === undefined) {
    const { from, label, interface: interfaces, as } = flags;
    if (from === undefined) throw new NsmError('invalid', 'name a network service, or a pod with --from');
    if (label.length > 0 || interfaces.length > 0 || as !== undefined)
      throw new NsmError(
        'invalid',
        'name the network service that --label, --interface and --as are asked of',
      );
    return await explainPod(from, flags);
  }
  const output = new Output(flags.json === true);
  const view = await withAdmin(flags.runDir, (admin) =>
    askExplanation(admin, service, { ...flags, lastRefused: true }),
  );
  const { candidates, plan, problems } = view;
  if (output.json)
    output.value(candidates.map((one) => ({ ...one, plan: one.chosen ? plan : null, problems })));
  else printExplanation(output, view);
  if (!plan) process.exitCode = exitStatus.failed;
}
