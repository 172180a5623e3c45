// Bringing a planned lab up, step by step: namespaces, managers, endpoints, clients, measurement.
import { abbreviatedList, deadline, NsmError } from '@nsm/api';
import { measureLab } from '../measure/measure.js';
import { NodeView } from '../measure/node-view.js';
import type { LabReport } from '../measure/report.js';
import type { Plan } from '../plan/plan.js';
import type { Progress } from '../progress.js';
import type { LabFolder } from '../state/lab-folder.js';
import { buildNetworks } from './lab-network.js';
import { RunningProgram } from './running-program.js';

export interface BringUpOptions {
  /** The `nsm` command. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

export interface BroughtUp {
  readonly report: LabReport;
  /** Managers and endpoints. */
  readonly running: readonly RunningProgram[];
}

/** The slowest machine seen starts four managers at once within this; milliseconds for each step. */
const stepTimeoutMs = 30_000;

export async function bringUp(
  plan: Plan,
  folder: LabFolder,
  progress: Progress,
  { command, environment, signal }: BringUpOptions,
): Promise<BroughtUp> {
  const timeLimit = (): AbortSignal => deadline(stepTimeoutMs, signal);
  const running: RunningProgram[] = [];
  const alive = async <T>(work: Promise<T>): Promise<T> =>
    await running.reduce((inner, program) => program.whileRunning(inner), work);

  const roles = (role: string): number => plan.members.filter((member) => member.role === role).length;
  await progress.step(
    'network namespaces and links',
    () => buildNetworks(plan),
    () =>
      [
        count(roles('node'), 'node'),
        count(roles('pod'), 'pod'),
        count(roles('outside'), 'outside host'),
      ].join(', '),
  );
  signal.throwIfAborted();

  const views = plan.managers.map((manager) => new NodeView(manager));
  try {
    await progress.step(
      'managers',
      async () => {
        for (const manager of plan.managers)
          running.push(RunningProgram.start(manager, 'manager', command, folder, environment));
        const until = timeLimit();
        await alive(Promise.all(views.map((view) => view.ready(until))));
      },
      () => abbreviatedList(plan.managers.map(({ name, address }) => `${name} at ${address}`)),
    );
    if (plan.endpoints.length > 0)
      await progress.step(
        'endpoints',
        async () => {
          for (const endpoint of plan.endpoints)
            running.push(RunningProgram.start(endpoint, 'endpoint', command, folder, environment));
          const until = timeLimit();
          await alive(Promise.all(views.map((view) => view.knows(plan.endpoints, until))));
        },
        () => abbreviatedList(plan.endpoints.map(({ provider, node }) => `${provider} on ${node}`)),
      );
  } finally {
    for (const view of views) view[Symbol.dispose]();
  }

  const failures = new Map<string, string>();
  await progress.step(
    'clients',
    async () => {
      const clients = plan.clients.map((client) =>
        RunningProgram.start(client, 'client', command, folder, environment),
      );
      const timeout = new Promise<string>((resolve) =>
        timeLimit().addEventListener('abort', () => resolve('did not get an answer in time'), { once: true }),
      );
      await Promise.all(
        clients.map(async (client) => {
          const ending = await Promise.race([client.ended, timeout]);
          if (ending !== succeeded)
            failures.set(client.program.name, client.failure(ending).toAdmissionError());
        }),
      );
      signal.throwIfAborted();
    },
    () => `${plan.clients.length - failures.size} of ${plan.clients.length} connected`,
  );

  const report = await progress.step(
    'packets in both directions',
    () => measureLab(plan, signal, failures),
    ({ ok }) => (ok ? 'all answered' : 'not everything answered'),
  );
  signal.throwIfAborted();
  return { report, running };
}

const succeeded = 'exited with status 0';

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** True for what an aborted signal makes of the work under way. */
export const isCancelled = (thrown: unknown): boolean => NsmError.from(thrown).kind === 'cancelled';
