// `nsm lab list`: the labs that are up on this machine.
import { existsSync, readdirSync } from 'node:fs';
import { whyUntrusted } from '@nsm/durable';
import { Output } from '@nsm/output';
import { type LabConfig, readConfig } from './config.js';
import type { LabOptions } from './options.js';
import { LabFolder, labsFolder } from './state/lab-folder.js';
import { isAlive } from './state/process-identity.js';
import { findUserLab } from './user-namespace.js';

export interface LabSummary {
  readonly name: string;
  /** `up`, `kept` (only `labDown` takes the lab down), or `left behind` (its `up` was killed). */
  readonly state: 'up' | 'kept' | 'left behind';
  /** True for one in a user namespace of its own. */
  readonly rootless: boolean;
  /** Absent for one in a user namespace. */
  readonly file?: string;
  readonly nodes?: number;
  readonly pods?: number;
}

/** Prints the labs that are up, and returns them. */
export function labList({ json = false, output = process }: LabOptions = {}): readonly LabSummary[] {
  const config = readConfig();
  const labs = labNames(config).map((name) => summarize(name));
  const printed = new Output(json, output.stdout);
  if (json) printed.value(labs);
  else
    printed.table(
      ['LAB', 'STATE', 'NODES', 'PODS', 'FILE'],
      labs.map(({ name, state, nodes, pods, file }) =>
        [name, state, nodes ?? '-', pods ?? '-', file ?? '(without root)'].map(String),
      ),
      'no lab is up',
    );
  // People are told why a lab is not listed; programs and completion are not disturbed.
  for (const folder of json ? [] : [labsFolder, config.userFolder]) {
    const why = existsSync(folder) ? whyUntrusted(folder, { closed: folder === config.userFolder }) : '';
    if (why !== '') new Output(false, output.stderr).line(`nsm: not looked at: ${folder} ${why}`);
  }
  return labs;
}

/** Names of the nodes, pods and outside hosts of root's labs. */
export function labMembers(): string[] {
  return LabFolder.names().flatMap(
    (name) => new LabFolder(name).read()?.plan.members.map((member) => member.name) ?? [],
  );
}

/** Names of root's labs, and of the user's own. */
export function labNames(config: LabConfig): string[] {
  return [...new Set([...LabFolder.names(), ...userLabs(config)])].sort();
}

function summarize(name: string): LabSummary {
  const record = new LabFolder(name).read();
  if (!record) return { name, state: 'up', rootless: true };
  const { owner, file, plan } = record;
  const roles = (role: string): number => plan.members.filter((member) => member.role === role).length;
  const state = owner === null ? 'kept' : isAlive(owner) ? 'up' : 'left behind';
  return { name, state, rootless: false, file, nodes: roles('node'), pods: roles('pod') };
}

function userLabs(config: LabConfig): string[] {
  if (whyUntrusted(config.userFolder, { closed: true }) !== '') return [];
  try {
    return readdirSync(config.userFolder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .filter((name) => findUserLab(name, config));
  } catch {
    return [];
  }
}
