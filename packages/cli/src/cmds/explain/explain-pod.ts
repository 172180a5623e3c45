// Why a pod is not connected: all that it has and all that it was refused, where the network service is not named.
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { subjectText } from '@nsm/policy';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import type { ExplanationView } from '@nsm/views/explanation-view';
import { type RefusalView, refusalView, requestText } from '@nsm/views/refusal-view';
import { ageText, stateText } from '@nsm/views/texts';
import { exitStatus } from '../../exit-status.js';
import { askExplanation } from '../../explanation/ask-explanation.js';
import { shortLines, wayText } from '../../explanation/explanation.js';
import { type AdminClient, withAdmin } from '../../managers/admin-client.js';
import { ownCommand } from '../../own-command.js';
import type { ExplainFlags } from './flags.js';

/** What would come of it now; null where nobody provides the service. */
interface Explained {
  readonly explanation: ExplanationView | null;
  /** Why there is none. */
  readonly notExplained: string;
}

export interface PodView {
  /** As `nsm policy test` takes it. */
  readonly client: string;
  readonly connections: readonly (ConnectionView & Partial<Explained>)[];
  /** The last of each network service that the pod has not been given since. */
  readonly refusals: readonly (RefusalView & Explained)[];
}

export async function explainPod({
  from = '',
  runDir,
  json,
}: Pick<ExplainFlags, 'from' | 'runDir' | 'json'>): Promise<void> {
  const output = new Output(json === true);
  const view = await withAdmin(runDir, (admin) => podView(admin, from));
  const isWell = view.refusals.length === 0 && view.connections.every(isUp);
  if (!isWell) process.exitCode = exitStatus.failed;
  if (output.json) return output.value(view);
  printPod(output, view, Date.now(), { from, runDir });
}

async function podView(admin: AdminClient, from: string): Promise<PodView> {
  const [{ client, refusals }, { connections }] = await Promise.all([
    admin.listRefusals({ from }),
    admin.listConnections({}),
  ]);
  const explain = async (service: string): Promise<Explained> => {
    try {
      const asked = { interface: [], label: [], from, lastRefused: true };
      return { explanation: await askExplanation(admin, service, asked), notExplained: '' };
    } catch (thrown) {
      return { explanation: null, notExplained: NsmError.from(thrown).message };
    }
  };
  const own = connections
    .filter(({ crossConnect }) => crossConnect?.client?.namespace?.inode === client?.inode)
    .map(connectionView);
  return {
    client: client ? subjectText(client) : '',
    connections: await Promise.all(
      own.map(async (one) => (isUp(one) ? one : { ...one, ...(await explain(one.service)) })),
    ),
    refusals: await Promise.all(
      refusals.map(refusalView).map(async (one) => ({ ...one, ...(await explain(one.service)) })),
    ),
  };
}

function isUp({ state }: Pick<ConnectionView, 'state'>): boolean {
  return state === 'SYNCED';
}

/** @param now milliseconds since the epoch. */
function printPod(
  output: Output,
  { client, connections, refusals }: PodView,
  now: number,
  { from, runDir }: { readonly from: string; readonly runDir: string },
): void {
  const printCommand = (command: string): void =>
    output.item(`  ${output.paint('dim', 'see all:')} `, ownCommand(command, runDir));
  output.item(`${output.paint('dim', 'asks')} `, client.replaceAll(',', ', '));
  for (const one of connections) {
    const { service, id, endpoint, requestId } = one;
    const lead = `${output.mark(isUp(one) ? 'well' : 'broken')} `;
    const state = stateText(one, output.state(one.state));
    output.item(
      lead,
      `${output.paint('bold', service)}: connection ${id} of "${requestId}" to ${endpoint} is ${state}`,
    );
    printExplained(output, one, one.detail);
    if (!isUp(one)) printCommand(`nsm describe connection ${id}`);
  }
  for (const one of refusals) {
    const { service, time, what, code, givenUp } = one;
    const end = givenUp ? 'was given up by its caller' : 'was refused';
    const refused = `${requestText(one)} ${end} ${ageText(time, now)} ago: ${what} (${code})`;
    output.item(`${output.mark('broken')} `, `${output.paint('bold', service)}: ${refused}`);
    printExplained(output, one, what);
    printCommand(`nsm explain ${service} --from ${from}`);
  }
  if (connections.length + refusals.length === 0)
    output.line('it has no connection, and of no request that was refused is anything known here');
}

function printExplained(
  output: Output,
  { explanation, notExplained }: Partial<Explained>,
  said: string,
): void {
  // Not twice what the refusal has said.
  const news = notExplained?.startsWith(said)
    ? notExplained.slice(said.length).replace(/^; /, '')
    : notExplained;
  if (news && !said.includes(news)) output.item('  ', news);
  if (!explanation) return;
  const { plan } = explanation;
  const lines = plan ? [`now it would be connected to ${wayText(plan)}`] : shortLines(explanation, said);
  for (const line of lines) output.item('  ', line);
}
