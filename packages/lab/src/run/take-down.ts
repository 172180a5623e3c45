// Removing a lab: its processes, then its namespaces, then its folder; and a look at whether anything remains.
import { type LabFolder, type LabRecord, processRoles } from '../state/lab-folder.js';
import { existingMembers, removeNamespaceDirectory, removeNamespaces } from './lab-network.js';
import { endProcesses } from './running-program.js';

export interface TakenDown {
  readonly processes: number;
  readonly namespaces: number;
  /** What would not go, in words; empty when every trace is removed. */
  readonly remains: readonly string[];
}

/** A manager removes its interfaces and its records in this time, milliseconds; after that the manager is killed. */
const defaultGraceMs = 5000;

/** Safe to repeat, and safe for a lab of which only parts exist. */
export async function takeDown(
  folder: LabFolder,
  record: LabRecord,
  graceMs: number = defaultGraceMs,
): Promise<TakenDown> {
  const remains: string[] = [];
  let processes = 0;
  for (const role of processRoles) {
    const records = folder.processes().filter((each) => each.role === role);
    processes += records.length;
    for (const { name, identity } of await endProcesses(records, graceMs))
      remains.push(`process ${identity.pid} (${name}) does not end`);
  }
  const namespaces = existingMembers(record.plan).length;
  const left = removeNamespaces(record.plan);
  remains.push(
    ...left.namespaces.map((name) => `network namespace ${name} cannot be removed`),
    ...left.pids.map(
      (pid) => `process ${pid}, which the lab did not start, keeps one of its network namespaces alive`,
    ),
  );
  if (record.madeNamespaceDirectory) removeNamespaceDirectory();
  folder.remove();
  if (folder.exists) remains.push(`${folder.path} cannot be removed`);
  return { processes, namespaces, remains };
}
