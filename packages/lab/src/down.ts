// `nsm lab down`: removes a lab from any shell, whether its `up` still runs, was killed, or left it.
import { abbreviatedList, NsmError, within } from '@nsm/api';
import { Output } from '@nsm/output';
import { readConfig } from './config.js';
import { findLab, labNameOf } from './find-lab.js';
import { labNames } from './list.js';
import type { LabOptions, LabResult } from './options.js';
import { mayMakeNamespaces } from './privilege.js';
import { Progress } from './progress.js';
import { takeDown } from './run/take-down.js';
import { LabFolder } from './state/lab-folder.js';
import { LabLock } from './state/lab-lock.js';
import { signalProcess } from './state/process-identity.js';

/** A lab's own `up` removes it within this, milliseconds; it waits for its managers, which have 5 s each kind. */
const ownerTimeoutMs = 30_000;

/** Removing what is not there succeeds: the wanted state is reached. @throws NsmError `privilege`, `deadline`, `conflict` */
export async function labDown(
  nameOrFile: string,
  { json = false, output = process }: LabOptions = {},
): Promise<LabResult> {
  const config = readConfig();
  const name = labNameOf(nameOrFile);
  const found = findLab(name, config);
  const remarks = new Output(false, output.stderr);
  const say = (outcome: string, remains: readonly string[] = []): LabResult => {
    const printed = new Output(json, output.stdout);
    if (json) printed.value({ lab: name, outcome, remains });
    else printed.line(`lab ${name}: ${outcome}`);
    for (const remainder of json ? [] : remains) remarks.line(`× ${remainder}`);
    return { ok: remains.length === 0 };
  };
  if (!found && !new LabFolder(name).exists) {
    const others = abbreviatedList(labNames(config)) || 'none';
    return say(json ? 'is not up' : `is not up; up: ${others}`);
  }
  if (found?.where !== 'user namespace' && !mayMakeNamespaces())
    throw new NsmError('privilege', `lab ${name} was made by root, and needs root to be removed`);

  const owner = found?.where === 'user namespace' ? found.lab.owner : found?.record.owner;
  const holder = await LabLock.held(name);
  if (holder && owner) {
    signalProcess(owner, 'SIGTERM');
    await within(ownerTimeoutMs, holder.released, () => {
      const seconds = ownerTimeoutMs / 1000;
      throw new NsmError('deadline', `process ${owner.pid} has not removed lab ${name} in ${seconds} s`);
    });
  }
  await using _lock = await LabLock.take(name);
  const folder = new LabFolder(name);
  const record = folder.read();
  if (!record) {
    folder.remove();
    return say('removed');
  }
  const taken = await new Progress(remarks).step(`removing lab ${name}`, () => takeDown(folder, record));
  return say(taken.remains.length > 0 ? 'something remains' : 'removed', taken.remains);
}
