// `nsm lab exec`: any command inside a node, a pod or an outside host of a lab.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { abbreviatedList, NsmError } from '@nsm/api';
import { openNamespace } from '@nsm/netlink';
import { closestName } from '@nsm/yaml-file/closest-name';
import { readConfig } from './config.js';
import { labNameOf, needLab } from './find-lab.js';
import type { Member } from './plan/plan.js';
import type { LabFolder, LabRecord } from './state/lab-folder.js';
import { identifyProcess } from './state/process-identity.js';
import { enterUserLab } from './user-namespace.js';

/**
 * Runs a command with the terminal of this process and returns its exit status, 128 and the signal's number when a
 * signal ended it, as a shell does. In a pod NSM_RUN_DIR leads to the manager of its node.
 * @throws NsmError `not-found` for the lab, the member or the command, `privilege`
 */
export async function labExec(nameOrFile: string, member: string, argv: readonly string[]): Promise<number> {
  const config = readConfig();
  const name = labNameOf(nameOrFile);
  const [file, ...rest] = argv;
  if (!file) throw new NsmError('invalid', `nothing to run: nsm lab exec ${name} ${member} COMMAND …`);
  const found = needLab(name, config);
  if (found.where === 'user namespace') {
    const answer = await enterUserLab(found.lab, { command: 'exec', name, member, argv });
    if ('status' in answer) return answer.status;
    throw new NsmError('internal', 'the lab answered something else');
  }
  const { folder, record } = found;
  const where = findMember(record, member);
  const runDir = record.plan.managers.find(({ name }) => name === where.node)?.runDir;
  using namespace = openNamespace(`/run/netns/${where.namespace}`);
  // Ctrl-C is for the command; it ends, and then we do.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  try {
    return await run(folder, where, () =>
      namespace.run(() =>
        spawn(file, rest, {
          stdio: 'inherit',
          env: { ...config.environment, ...(runDir && { NSM_RUN_DIR: runDir }) },
        }),
      ),
    );
  } finally {
    process.off('SIGINT', ignore);
  }
}

async function run(
  folder: LabFolder,
  member: Member,
  start: () => ReturnType<typeof spawn>,
): Promise<number> {
  const child = start();
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  // Written down, so that taking the lab down ends it too.
  const record = identity && ({ name: 'exec', role: 'exec', member: member.name, identity } as const);
  if (record) folder.addProcess(record);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('close', (code, signal) => resolve(signal ? 128 + constants.signals[signal] : (code ?? 1)));
      child.once('error', (error) =>
        reject(new NsmError('not-found', `cannot run ${child.spawnfile}: ${error.message}`, error)),
      );
    });
  } finally {
    if (record) folder.removeProcess(record);
  }
}

function findMember({ plan }: LabRecord, name: string): Member {
  const member = plan.members.find((each) => each.name === name);
  if (member) return member;
  const names = plan.members.map((each) => each.name);
  const closest = closestName(name, names);
  throw new NsmError(
    'not-found',
    `lab ${plan.name} has no ${JSON.stringify(name)}${closest ? ` (did you mean ${closest}?)` : ''}; it has ${abbreviatedList(names)}`,
  );
}
