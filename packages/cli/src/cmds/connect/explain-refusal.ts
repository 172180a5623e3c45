// A refused request tells of each endpoint why not: where the operator's socket can be opened, and the refusal is about the choice.
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { NsmError, type NsmErrorKind } from '@nsm/api';
import { askExplanation } from '../../explanation/ask-explanation.js';
import { shortLines, wayText } from '../../explanation/explanation.js';
import { withAdmin } from '../../managers/admin-client.js';
import { ownCommand } from '../../own-command.js';
import type { ConnectFlags } from './flags.js';

/** Milliseconds that a refusal is held back for it. */
const patienceMs = 3000;
/** Milliseconds in which it must be known what a request waits for. */
const waitingMs = 1000;

/** What an explanation adds nothing to. */
const saysAll: ReadonlySet<NsmErrorKind> = new Set([
  'cancelled',
  'unavailable',
  'stopping',
  'invalid',
  'privilege',
  'namespace-unknown',
  'namespace-foreign',
  'conflict',
]);

/** All endpoints are told of below these; below others only where that says more than the failure. */
const aboutChoice: ReadonlySet<NsmErrorKind> = new Set(['no-matching-endpoint', 'policy']);

/** The same failure, with an explanation in short where there is one. */
export async function explained(error: NsmError, service: string, flags: ConnectFlags): Promise<NsmError> {
  if (saysAll.has(error.kind) || !existsSync(join(flags.runDir, 'admin.sock'))) return error;
  try {
    const asked = { ...flags, from: ownNamespace(), as: ownUser() };
    const view = await withAdmin(flags.runDir, (admin) => askExplanation(admin, service, asked, patienceMs));
    // Where nothing was answered, the manager knows what was being waited for.
    const past = error.kind === 'deadline' ? view.problems.filter(({ refuses }) => !refuses) : [];
    const lines = [
      ...past.map(({ what }) => what),
      ...shortLines(view, aboutChoice.has(error.kind) ? '' : error.message),
    ];
    if (lines.length === 0) return error;
    const explained = [...lines, `see all: ${explainLine(service, flags)}`];
    return Object.assign(new NsmError(error.kind, error.message, error), { explained, ...shortened(error) });
  } catch (thrown) {
    // No endpoint provides the service: the explanation says which name was probably meant.
    const instead = NsmError.from(thrown);
    return instead.kind === 'no-endpoint' && error.kind === 'no-endpoint' ? instead : error;
  }
}

/** What a request that has no answer yet waits for, as far as it can be known. */
export async function waitsFor(service: string, flags: ConnectFlags): Promise<string> {
  const { runDir } = flags;
  if (existsSync(join(runDir, 'client.sock')) && !existsSync(join(runDir, 'admin.sock')))
    return 'the manager has not answered';
  try {
    const asked = { ...flags, from: ownNamespace(), as: ownUser() };
    const view = await withAdmin(runDir, (admin) => askExplanation(admin, service, asked, waitingMs));
    if (view.plan) return `the way is ${wayText(view.plan)}, and not ready`;
    return shortLines(view)[0] ?? 'no endpoint can be connected';
  } catch (thrown) {
    return NsmError.from(thrown).message;
  }
}

/** What is told of each endpoint below the refusal is not in it as well. */
function shortened({ message }: NsmError): { readonly summary?: string } {
  const [summary] = /^no endpoint of network service ".*?" fits(?=: )/.exec(message) ?? [];
  return summary === undefined ? {} : { summary };
}

/** Of the thread that has entered the pod's, `net:[4026532208]`. */
export function ownNamespace(): string {
  return readlinkSync('/proc/thread-self/ns/net');
}

export function ownUser(): string {
  return `uid=${process.getuid?.() ?? 0},gid=${process.getgid?.() ?? 0}`;
}

/** The command that shows the whole of it. */
export function explainLine(
  service: string,
  { netns, label, interface: interfaces, runDir }: ConnectFlags,
): string {
  const inode = /\d+/.exec(ownNamespace())?.[0] ?? '';
  const wanted = interfaces.map(({ type, preference, parameters }) => {
    const query = new Map(Object.entries(parameters ?? {}));
    const tail = [...query].map(([key, value]) => `${key}=${value}`).join('&');
    const text = `${type}${preference ? `:${preference}` : ''}${tail ? `?${tail}` : ''}`;
    return tail ? `'${text}'` : text;
  });
  const command = [
    'nsm explain',
    service,
    `--from ${netns ?? inode}`,
    ...label.map(([key, value]) => `--label ${key}=${value}`),
    ...(wanted.length > 0 ? [`--interface ${wanted.join(',')}`] : []),
    ...(process.getuid?.() ? [`--as ${ownUser()}`] : []),
  ].join(' ');
  return ownCommand(command, runDir);
}
