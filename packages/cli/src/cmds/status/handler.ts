// One screen: the manager, what it knows of the mesh, and what is wrong.
import { abbreviatedList, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { onlyTunnelsText } from '@nsm/views/capability-view';
import { managerState } from '@nsm/views/texts';
import { exitStatus } from '../../exit-status.js';
import { withAdmin } from '../../managers/admin-client.js';
import { askStatus } from './ask-status.js';
import { type Finding, findingsOf } from './findings.js';
import type { StatusFlags } from './flags.js';
import { type StatusView, statusView } from './status-view.js';

/** Milliseconds between two looks while waiting. */
const pollMs = 200;

/** Findings that are shown in full; of more, how many there are. */
const shownFindings = 5;

export async function runStatus({ runDir, json, wait }: StatusFlags): Promise<void> {
  const output = new Output(json === true);
  const { view, findings } = wait === undefined ? await look(runDir) : await settled(runDir, wait);
  const unsettled = findings.some(({ level }) => level !== 'warning');
  if (wait !== undefined && unsettled) process.exitCode = exitStatus.deadline;
  else if (findings.some(({ level }) => level === 'broken')) process.exitCode = exitStatus.failed;
  if (output.json) return output.value({ well: !unsettled, findings, ...view });
  print(output, view, findings);
}

interface Looked {
  readonly view: StatusView;
  readonly findings: readonly Finding[];
}

async function look(runDir: string): Promise<Looked> {
  const view = await withAdmin(runDir, async (admin) => statusView(await askStatus(admin)));
  return { view, findings: findingsOf(view, Date.now(), runDir) };
}

/** Looks until all is well or the time is over; a manager that is not there yet may still come. */
async function settled(runDir: string, waitMs: number): Promise<Looked> {
  const until = performance.now() + waitMs;
  for (;;) {
    const last = performance.now() >= until;
    try {
      const looked = await look(runDir);
      if (last || looked.findings.every(({ level }) => level === 'warning')) return looked;
    } catch (thrown) {
      if (last || NsmError.from(thrown).kind !== 'unavailable') throw thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(pollMs, until - performance.now())));
  }
}

function print(output: Output, view: StatusView, findings: readonly Finding[]): void {
  const { manager, certificate } = view;
  output.list([
    ['manager', [manager.name, manager.version, manager.address && `at ${manager.address}`].join(' ')],
    ['security', securityText(output, view)],
    ['certificate', certificate ? `from ${certificate.source}, until ${certificate.validUntil}` : ''],
    ['policy', view.policy || 'none: every pod may provide and ask, and all of the mesh is one trust domain'],
    ['registry', `${view.registry} ${output.state(view.registrySynced ? 'synced' : 'not synced')}`],
    ['forwarder', forwarderText(output, view)],
    ['managers', managersText(view)],
    ['services', view.services.length > 0 ? abbreviatedList(view.services) : 'none'],
    ['endpoints', endpointsText(view)],
    ['connections', connectionsText(output, view)],
  ]);
  output.line('');
  if (findings.length === 0) output.line(`${output.mark('well')} all is well`);
  const causes = findings.filter(({ because }) => because === undefined);
  for (const { code, level, what, toDo } of causes.slice(0, shownFindings)) {
    output.item(`${output.mark(level)} `, `${what} ${output.paint('dim', code)}`);
    const consequences = consequencesText(findings.filter(({ because }) => because === what));
    if (consequences !== '') output.item('  ', consequences);
    output.item(`  ${output.paint('dim', 'what to do:')} `, toDo);
  }
  const more = causes.length - shownFindings;
  if (more > 0) output.line(`and ${more} more: nsm status --json`);
}

/** `and 1 connection and 5 endpoints of it`. */
export function consequencesText(consequences: readonly Pick<Finding, 'code'>[]): string {
  const connections = consequences.filter(({ code }) => code === 'NSM0981').length;
  const endpoints = consequences.length - connections;
  const counts = [counted(connections, 'connection'), counted(endpoints, 'endpoint')].filter(Boolean);
  return counts.length === 0 ? '' : `and ${counts.join(' and ')} of it`;
}

function counted(count: number, word: string): string {
  return count === 0 ? '' : `${count} ${word}${count === 1 ? '' : 's'}`;
}

function securityText(output: Output, { manager }: StatusView): string {
  return manager.security === 'insecure'
    ? output.paint('red', 'insecure: plain text between managers')
    : manager.security;
}

function forwarderText(
  output: Output,
  { forwarderError, interfaceTypes, tunnelTypes, onlyTunnels }: StatusView,
): string {
  if (forwarderError !== '') return output.paint('red', forwarderError);
  const working = (types: readonly { readonly type: string; readonly works: boolean }[]): string =>
    [...new Set(types.filter(({ works }) => works).map(({ type }) => type))].join(', ') || 'none';
  const tunnels = [working(tunnelTypes), onlyTunnelsText(onlyTunnels)].filter((part) => part !== '');
  return `${output.state('up')}; interfaces ${working(interfaceTypes)}; tunnels ${tunnels.join(', ')}`;
}

function managersText({ managers }: StatusView): string {
  return `${managers.length}${inGroups(managers.map(managerState), (word) => word)}`;
}

function endpointsText({ endpoints }: StatusView): string {
  const unavailable = endpoints.filter((endpoint) => endpoint.unavailable !== '').length;
  return `${endpoints.length}${unavailable > 0 ? `: ${unavailable} not chosen` : ''}`;
}

function connectionsText(output: Output, { connections }: StatusView): string {
  const states = connections.map(({ state }) => state);
  return `${connections.length}${inGroups(states, (word) => output.state(word))}`;
}

/** `: 3 alive, 1 gone`; nothing of nothing. */
function inGroups(words: readonly string[], shown: (word: string) => string): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  if (counts.size === 0) return '';
  return `: ${[...counts].map(([word, count]) => `${count} ${shown(word)}`).join(', ')}`;
}
