// Asks the manager how it would choose, and what a request would come to.
import { Output } from '@nsm/output';
import { exitStatus } from '../../exit-status.js';
import { askExplanation } from '../../explanation/ask-explanation.js';
import { printExplanation } from '../../explanation/explanation.js';
import { withAdmin } from '../../managers/admin-client.js';
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
