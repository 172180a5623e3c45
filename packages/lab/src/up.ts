// `nsm lab up`: a lab from its file to its table, and away again.
import { resolve } from 'node:path';
import { abbreviatedList, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { type LabConfig, readConfig } from './config.js';
import { defaultCommand } from './default-command.js';
import { describePlan } from './dry-run.js';
import { readLabFile } from './file/lab-file.js';
import { needsTrust } from './file/lab-trust.js';
import { showLabPage } from './lab-page.js';
import type { LabResult, LabUpOptions } from './options.js';
import { type Plan, planLab } from './plan/plan.js';
import { mayMakeNamespaces } from './privilege.js';
import { Progress } from './progress.js';
import { type BringUpOptions, bringUp, isCancelled } from './run/bring-up.js';
import { existingMembers, namespaceDirectoryExists } from './run/lab-network.js';
import { takeDown } from './run/take-down.js';
import { LabFolder, type LabRecord, labsFolder, refuseForeignFolder } from './state/lab-folder.js';
import { LabLock } from './state/lab-lock.js';
import { identifyProcess } from './state/process-identity.js';
import { StopSignal } from './stop-signal.js';
import { printReport } from './table.js';
import { upInUserNamespace } from './user-namespace.js';

/**
 * Brings the lab of a file up. The result is ok when every connection carried packets in both directions, every check was
 * answered, and nothing remained of the lab where it was taken down.
 * @throws NsmError `invalid` and `not-found` for the file, `conflict` when the lab is up already, `privilege` when neither
 * root nor a user namespace can be had, `unavailable` and `deadline` when a process of the lab does not come up
 */
export async function labUp(file: string, options: LabUpOptions = {}): Promise<LabResult> {
  const output = options.output ?? process;
  const config = readConfig();
  const lab = readLabFile(file);
  const plan = planLab(lab, labsFolder);
  if (options.dryRun) {
    const printed = new Output(options.json === true, output.stdout);
    const reaching = needsTrust(lab);
    if (printed.json) printed.value({ ...plan, needsTrust: reaching });
    else for (const line of describePlan(plan, reaching)) printed.line(line);
    return { ok: true };
  }
  if (!options.trust) refuseUntrusted(file, needsTrust(lab));
  using stop = new StopSignal(options.signal);
  if (!config.insideUserNamespace && !mayMakeNamespaces())
    return await upInUserNamespace(plan, resolve(file), { ...options, signal: stop.signal }, config);

  refuseForeignFolder(labsFolder);
  await using _lock = await LabLock.take(plan.name);
  const progress = new Progress(new Output(false, output.stderr));
  const folder = new LabFolder(plan.name);
  await removeLeftovers(folder, progress, options);
  const owner = identifyProcess(process.pid) ?? null;
  const record: LabRecord = {
    version: 1,
    file: resolve(file),
    since: new Date().toISOString(),
    owner,
    plan,
    madeNamespaceDirectory: !namespaceDirectoryExists(),
  };
  refuseForeignNamespaces(plan);
  folder.create(record);

  let kept = false;
  try {
    const result = await show(plan, folder, progress, options, config, stop.signal);
    if (result.ok && options.keep) {
      folder.write({ ...record, owner: null });
      kept = true;
      progress.say(`lab ${plan.name} stays; \`nsm lab down ${plan.name}\` removes it`);
    }
    if (!kept && !(await remove(folder, record, progress, options))) return { ...result, ok: false };
    return result;
  } catch (thrown) {
    if (!kept) await remove(folder, record, progress, options);
    if (!isCancelled(thrown)) throw thrown;
    return { ok: false };
  }
}

async function show(
  plan: Plan,
  folder: LabFolder,
  progress: Progress,
  options: LabUpOptions,
  config: LabConfig,
  signal: AbortSignal,
): Promise<LabResult> {
  const { stdout } = options.output ?? process;
  const how: BringUpOptions = {
    command: options.command ?? defaultCommand(),
    environment: config.environment,
    signal,
  };
  const { report, running } = await bringUp(plan, folder, progress, how);
  const printed = new Output(options.json === true, stdout);
  if (printed.json) printed.value(report);
  else {
    printed.line('');
    printReport(printed, report);
    printed.line('');
  }
  if (options.once || options.keep || signal.aborted) return { ok: report.ok, report };

  const [pod = 'POD'] = plan.clients.map(({ member }) => member);
  progress.say(
    `lab ${plan.name} is up; in another shell: ${config.nsm} lab exec ${plan.name} ${pod} ip address`,
  );
  options.onUp?.();
  await using _page =
    options.dashboard === undefined
      ? undefined
      : await showLabPage(progress, {
          ...how,
          listen: options.dashboard,
          runDirs: plan.managers.map(({ runDir }) => runDir),
        });
  progress.say('Ctrl-C removes it');
  for (const program of running)
    void program.ended.then((ending) => {
      if (!signal.aborted) progress.say(program.failure(ending).toAdmissionError());
    });
  await new Promise<void>((done) => {
    signal.addEventListener('abort', () => done(), { once: true });
    if (signal.aborted) done();
    // Nothing else may be left that keeps the event loop alive.
    const stay = setInterval(() => {}, 2 ** 30);
    signal.addEventListener('abort', () => clearInterval(stay), { once: true });
  });
  return { ok: report.ok, report };
}

async function remove(
  folder: LabFolder,
  record: LabRecord,
  progress: Progress,
  { graceMs }: LabUpOptions,
): Promise<boolean> {
  const { remains } = await progress.step(
    `removing lab ${record.plan.name}`,
    () => takeDown(folder, record, graceMs),
    ({ processes, namespaces, remains }) =>
      remains.length > 0
        ? 'something remains'
        : `${processes} processes, ${namespaces} namespaces; nothing remains`,
  );
  for (const remainder of remains) progress.say(`× ${remainder}`);
  return remains.length === 0;
}

/** The lock is ours: whoever made what is still there was killed, unless the lab was kept. */
async function removeLeftovers(folder: LabFolder, progress: Progress, options: LabUpOptions): Promise<void> {
  const old = folder.read();
  if (!old) return folder.exists ? folder.remove() : undefined;
  const { name } = old.plan;
  if (old.owner === null)
    throw new NsmError(
      'conflict',
      `lab ${name} is up already (it was kept); \`nsm lab down ${name}\` removes it`,
    );
  progress.say(`lab ${name} was killed before it could remove itself`);
  await remove(folder, old, progress, options);
}

function refuseUntrusted(file: string, places: readonly string[]): void {
  if (places.length === 0) return;
  throw new NsmError(
    'privilege',
    `${file} asks for more than a lab of its own: ${abbreviatedList(places)}; use only variables NSM_*, and no files of this machine, ` +
      'or give --trust if you trust whoever wrote the file',
  );
}

function refuseForeignNamespaces(plan: Plan): void {
  const [first] = existingMembers(plan);
  if (first)
    throw new NsmError(
      'conflict',
      `network namespace ${first.namespace} exists and is no lab's; \`ip netns delete ${first.namespace}\` removes it`,
    );
}
