// Asks the manager how it would choose, and what a request would come to.
import { Output } from '@nsm/output';
import { withAdmin } from '../../admin-client.js';
import { askExplanation } from '../../ask-explanation.js';
import { exitStatus } from '../../exit-status.js';
import { printExplanation } from '../../explanation.js';
import { explainPod } from './explain-pod.js';
import type { ExplainFlags } from './flags.js';

export async function runExplain(service: string | undefined, flags: ExplainFlags): Promise<void> {
  if (service === undefined) return await explainPod(flags);
  const output = new Output(flags.json === true);
  const view = await withAdmin(flags.runDir, (admin) =>
    askExplanation(admin, service, { ...flags, lastRefused: true }),
  );
  const { candidates, plan, problems, client, refused } = view;
  if (output.json)
    output.value(
      candidates.map((one) => ({ ...one, plan: one.chosen ? plan : null, problems, client, refused })),
    );
  else printExplanation(output, view);
  if (!plan) process.exitCode = exitStatus.failed;
}
