// An explanation as text: in full, with everything that each endpoint was looked at for, or in short, below a refusal.
import { abbreviatedList } from '@nsm/api';
import type { Output } from '@nsm/output';
import type { ExplainedView, ExplanationView, PlanView, ProblemView } from '@nsm/views/explanation-view';
import { requestText } from '@nsm/views/refusal-view';

/** So many endpoints are told of in full: the best, and those that are dropped as far as there is room. */
const mostInFull = 12;
/** Below a refusal so many endpoints are told of. */
const fewCandidates = 5;

export function printExplanation(output: Output, view: ExplanationView): void {
  const { candidates, problems, plan, client, refused } = view;
  output.item(
    `${output.paint('dim', 'asks')}     `,
    client.replaceAll(',', ', ') || 'whoever the policy lets ask',
  );
  if (refused) output.item(`${output.paint('dim', 'explains')} `, `its last ${requestText(refused)}`);
  output.item(`${output.paint('dim', 'verdict')}  `, verdictText(output, view));
  for (const problem of problems) printProblem(output, problem);
  for (const candidate of candidates.slice(0, mostInFull)) {
    output.line('');
    printCandidate(output, candidate, plan !== null);
  }
  const more = candidates.length - mostInFull;
  if (more > 0) output.line(`and ${more} more: --json has them all`);
}

function verdictText(output: Output, { plan, candidates, problems, refused: past }: ExplanationView): string {
  if (plan) {
    const failed = candidates.some(({ chosen, recentFailure }) => chosen && recentFailure !== '');
    return failed
      ? `${output.paint('yellow', 'would be tried')} with ${wayText(plan)}, which failed lately`
      : `${output.paint('green', `would be connected${past ? ' now' : ''}`)} to ${wayText(plan)}`;
  }
  const refused = output.paint('red', `would be refused${past ? ' again' : ''}`);
  if (problems.some(({ refuses }) => refuses)) return `${refused}: see below what is in the way`;
  const usable = candidates.filter(({ rank }) => rank > 0).length;
  const forPolicy = candidates.some(({ checks }) =>
    checks.every(({ about, passed }) => passed === (about !== 'policy')),
  );
  return usable === 0
    ? `${refused}: ${forPolicy ? 'the policy allows no endpoint that fits' : 'no endpoint fits'}`
    : `${refused}: ${usable} would be tried, and none can be connected`;
}

/** `gw-1 on node-b, kernel through VXLAN, MTU 1450`. */
export function wayText({
  endpoint,
  manager,
  interface: ours,
  endpointInterface,
  tunnel,
  mtu,
}: PlanView): string {
  const joined = ours === endpointInterface ? ours : `${ours} to ${endpointInterface}`;
  return `${endpoint} on ${manager}, ${joined}${tunnel ? ` through ${tunnel.type}` : ''}, MTU ${mtu}`;
}

function printProblem(output: Output, { code, what, refuses }: ProblemView): void {
  output.item(`${refuses ? output.paint('red', '×') : output.paint('yellow', '!')} `, `${what} (${code})`);
}

function printCandidate(output: Output, view: ExplainedView, planned: boolean): void {
  const { rank, chosen, lost, reason, checks, manager, recentFailure } = view;
  const place =
    rank > 0 ? (chosen ? output.paint('green', 'chosen') : `${rank}`) : output.paint('red', 'dropped');
  const pad = ' '.repeat(9 - (rank > 0 ? (chosen ? 6 : `${rank}`.length) : 7));
  const behind = lost && planned && !chosen ? `, after the first: ${lost}` : '';
  output.item(`${place}${pad}`, `${output.paint('bold', nameOf(view))} on ${manager || 'no node'}${behind}`);
  for (const { about, passed, text } of checks)
    printCheck(output, passed, about, passed ? passedText(view, about, text) : text);
  if (view.tunnels) for (const [about, text] of missingTunnels(view.tunnels)) printFact(output, about, text);
  const load = `${view.connections} ${view.connections === 1 ? 'connection' : 'connections'}`;
  printFact(output, 'load', load);
  if (recentFailure)
    printCheck(output, false, 'health', `tried last, because it failed lately: ${recentFailure}`);
  else if (rank > 0 && !reason.includes('failed'))
    printCheck(output, true, 'health', 'it has not failed lately');
}

function printCheck(output: Output, passed: boolean, about: string, text: string): void {
  const mark = passed ? output.paint('green', '√') : output.paint('red', '×');
  output.item(`  ${mark} ${about.padEnd(11)}`, text);
}

function printFact(output: Output, about: string, text: string): void {
  output.item(`    ${about.padEnd(11)}`, output.paint('dim', text));
}

/** What is there of each side, where the check says only what came of it. */
function passedText(view: ExplainedView, about: string, text: string): string {
  if (about === 'interfaces') {
    const { asked, offered, joined, denied } = view.interfaceMatch;
    const not = denied.length > 0 ? `, not by the policy ${denied.join(', ')}` : '';
    const both = `asks for ${listOf(asked)}, offers ${listOf(offered)}${not}`;
    return joined ? `${both}: ${joined.client} to ${joined.endpoint}` : both;
  }
  if (about === 'tunnel' && view.tunnels) {
    const { here, there } = view.tunnels;
    return here.join() === there.join()
      ? `${text} of what both nodes can do: ${listOf(here)}`
      : `${text} of here ${listOf(here)}; there ${listOf(there)}`;
  }
  return text;
}

/** Why kinds of tunnel are missing on either node, those with one reason together. */
function missingTunnels({
  missingHere,
  missingThere,
}: NonNullable<ExplainedView['tunnels']>): [string, string][] {
  return (
    [
      ['not here', missingHere],
      ['not there', missingThere],
    ] as const
  ).flatMap(([where, missing]) => {
    const byReason = new Map<string, string[]>();
    for (const [kind, why] of Object.entries(missing))
      byReason.set(why, [...(byReason.get(why) ?? []), kind]);
    return [...byReason].map(([why, kinds]): [string, string] => [where, `${kinds.join(', ')}: ${why}`]);
  });
}

function listOf(types: readonly string[]): string {
  return types.join(', ') || 'any';
}

/**
 * A few lines for below a refusal: each endpoint, and why not. None where all of them are in the refusal already.
 * @param said the refusal.
 */
export function shortLines({ candidates, problems }: ExplanationView, said = ''): string[] {
  const against = problems.filter(({ refuses }) => refuses).map(({ what }) => ({ who: '', why: what }));
  const each = candidates.map((view) => ({
    who: `${nameOf(view)} on ${view.manager || 'no node'}: `,
    why: whyNot(view),
  }));
  const isNews = ({ why }: { readonly why: string }): boolean => why !== untried && !said.includes(why);
  if (![...against, ...each].some(isNews)) return [];
  const lines = [...against, ...each.slice(0, fewCandidates)].map(
    ({ who, why }) => `${who}${said.includes(why) ? 'see above' : why}`,
  );
  const more = candidates.length - fewCandidates;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

/** Of an endpoint that nothing stands against. */
const untried = 'would be tried';

function whyNot({ checks, rank, reason, recentFailure }: ExplainedView): string {
  const failed = checks.filter(({ passed }) => !passed).map(({ text }) => text);
  if (failed.length > 0) return abbreviatedList(failed, '; ');
  return recentFailure || (rank > 0 ? untried : reason);
}

function nameOf({ namespace, name }: ExplainedView): string {
  return namespace === 'default' ? name : `${namespace}/${name}`;
}
