// What a request would come to, printed as `nsm connect` prints what came of it. Nothing is changed anywhere.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import type { ExplanationView, PlanView } from '@nsm/views/explanation-view';
import { interfaceText } from '@nsm/views/texts';
import { exitStatus } from '../../exit-status.js';
import { askExplanation } from '../../explanation/ask-explanation.js';
import { printExplanation } from '../../explanation/explanation.js';
import { withAdmin } from '../../managers/admin-client.js';
import { explainLine, ownNamespace, ownUser } from './explain-refusal.js';
import type { ConnectFlags } from './flags.js';

export async function runDryRun(service: string, flags: ConnectFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const { runDir, requestId, netns, timeout } = flags;
  if (existsSync(join(runDir, 'client.sock')) && !existsSync(join(runDir, 'admin.sock')))
    throw new NsmError(
      'privilege',
      `what would come of a request is for operators to know: ask on the node, where ${join(runDir, 'admin.sock')} is`,
    );
  const asked = { ...flags, from: netns ?? ownNamespace(), as: ownUser() };
  const { view, present } = await withAdmin(runDir, async (admin) => {
    const { connections } = requestId === undefined ? { connections: [] } : await admin.listConnections({});
    const view = await askExplanation(admin, service, asked, timeout);
    const present = connections.find(
      (one) =>
        one.requestId === requestId &&
        one.networkServiceName === service &&
        one.crossConnect?.client?.namespace?.inode === view.clientInode,
    );
    return { view, present: present?.id };
  });
  const { plan, problems, candidates } = view;
  if (!plan) process.exitCode = exitStatus.failed;
  if (output.json)
    return output.value({ service, dryRun: true, plan, present: present ?? null, problems, candidates });
  if (!plan) {
    output.line(`${output.paint('red', 'would be refused')}: nothing was changed`);
    return printExplanation(output, view);
  }
  output.line(
    `${output.paint('green', 'would connect')} to ${output.paint('bold', service)}: nothing was changed`,
  );
  output.list(entriesOf(plan, view, present));
  output.line(output.paint('dim', `why this endpoint: ${explainLine(service, flags)}`));
}

function entriesOf(
  plan: PlanView,
  { problems, candidates }: ExplanationView,
  present: string | undefined,
): (readonly [string, string])[] {
  const { tunnel, addresses, prefixes } = plan;
  const joined =
    plan.interface === plan.endpointInterface
      ? plan.interface
      : `${plan.interface} to ${plan.endpointInterface}`;
  const pools = prefixes.join(', ');
  const chosen = candidates.find((one) => one.chosen);
  const onNode = chosen?.local === true;
  const given = 'unless the endpoint gives its own';
  return [
    [
      'there is',
      present === undefined
        ? ''
        : `connection ${present} of this request id, which it would confirm or replace`,
    ],
    ['endpoint', `${plan.endpoint} on ${plan.manager}`],
    ['interface', interfaceText(plan.interfaceName, joined)],
    [
      'address',
      addresses.length > 0
        ? `${addresses.map(({ client }) => client).join(', ')}, ${given}`
        : `one of ${pools}, ${given}`,
    ],
    ['peer', addresses.map(({ endpoint }) => endpoint.replace(/\/\d+$/, '')).join(', ')],
    ['routes', 'to the peer, and what the endpoint gives when it is asked'],
    [
      'tunnel',
      tunnel
        ? `${tunnel.type}, ${tunnel.local} to ${tunnel.remote}${tunnel.port ? `, port ${tunnel.port}` : ''}`
        : onNode
          ? 'none: client and endpoint are on one node'
          : 'none: both nodes are on one physical network',
    ],
    ['mtu', chosen?.checks.find(({ about }) => about === 'mtu')?.text ?? String(plan.mtu)],
    ['beware', chosen?.recentFailure ? `it failed lately: ${chosen.recentFailure}` : ''],
    ...problems.map(({ what }) => ['beware', what] as const),
  ];
}
