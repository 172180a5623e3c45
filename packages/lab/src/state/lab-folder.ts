// A lab on disk, under /run/nsm/lab/NAME: what another shell, or the next `up` after a crash, needs to know of it.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { NsmError } from '@nsm/api';
import { whyUntrusted } from '@nsm/durable';
import type { Plan } from '../plan/plan.js';
import type { ProcessIdentity } from './process-identity.js';

export const labsFolder = '/run/nsm/lab';

export interface LabRecord {
  readonly version: 1;
  /** Absolute path of the lab file. */
  readonly file: string;
  /** ISO 8601. */
  readonly since: string;
  /** The `nsm lab up` that takes it down again; null for a lab that was kept. */
  readonly owner: ProcessIdentity | null;
  readonly plan: Plan;
  /** There was no /run/netns before it: it goes again with the last name in it. */
  readonly madeNamespaceDirectory: boolean;
}

/** In the order in which they are ended: those that ask before those that serve. */
export const processRoles = ['exec', 'client', 'endpoint', 'manager'] as const;
export type ProcessRole = (typeof processRoles)[number];

export interface ProcessRecord {
  readonly name: string;
  readonly role: ProcessRole;
  readonly member: string;
  readonly identity: ProcessIdentity;
}

/** @throws NsmError `privilege` where others can put labs of theirs into the folder, or exchange it. */
export function refuseForeignFolder(folder: string, closed = false): void {
  const why = whyUntrusted(folder, { closed });
  if (why !== '')
    throw new NsmError(
      'privilege',
      `${folder} ${why}: labs in it may be those of others; remove it, or mend its owner and mode`,
    );
}

export class LabFolder {
  readonly path: string;

  constructor(name: string, parent: string = labsFolder) {
    this.path = `${parent}/${name}`;
  }

  /** Names of the labs that have a folder. */
  static names(parent: string = labsFolder): string[] {
    if (whyUntrusted(parent) !== '') return [];
    try {
      return readdirSync(parent).filter((name) => existsSync(`${parent}/${name}/lab.json`));
    } catch {
      return [];
    }
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  logOf(program: string): string {
    return `${this.path}/logs/${program}.log`;
  }

  /** Makes the folder and everything that has a fixed place in it. */
  create(record: LabRecord): void {
    mkdirSync(`${this.path}/logs`, { recursive: true, mode: 0o755 });
    mkdirSync(`${this.path}/processes`, { recursive: true, mode: 0o755 });
    for (const { runDir } of record.plan.managers) mkdirSync(runDir, { mode: 0o755 });
    this.write(record);
  }

  write(record: LabRecord): void {
    // Never half written: a crash leaves the old one or the new one.
    writeFileSync(`${this.path}/lab.json.new`, `${JSON.stringify(record, null, 2)}\n`);
    renameSync(`${this.path}/lab.json.new`, `${this.path}/lab.json`);
  }

  /** undefined where there is none, or none that can be read. */
  read(): LabRecord | undefined {
    if (whyUntrusted(this.path) !== '') return undefined;
    try {
      const record = JSON.parse(readFileSync(`${this.path}/lab.json`, 'utf8')) as LabRecord;
      return record.version === 1 ? record : undefined;
    } catch {
      return undefined;
    }
  }

  /** Written down at once after the spawn, and in a file of its own: several commands add to a lab. */
  addProcess(record: ProcessRecord): void {
    writeFileSync(this.#processPath(record), JSON.stringify(record));
  }

  removeProcess(record: ProcessRecord): void {
    rmSync(this.#processPath(record), { force: true });
  }

  processes(): ProcessRecord[] {
    let files: string[];
    try {
      files = readdirSync(`${this.path}/processes`);
    } catch {
      return [];
    }
    return files.flatMap((file) => {
      try {
        return [JSON.parse(readFileSync(`${this.path}/processes/${file}`, 'utf8')) as ProcessRecord];
      } catch {
        return [];
      }
    });
  }

  /** The end of a program's log, for people. */
  tail(program: string, lines = 15): string {
    try {
      return readFileSync(this.logOf(program), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  /** Removes the folder, and those above it that only labs use and that are empty now. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    for (let parent = dirname(this.path), up = 0; up < 2; up++, parent = dirname(parent)) {
      try {
        rmdirSync(parent);
      } catch {
        return;
      }
    }
  }

  #processPath({ identity }: ProcessRecord): string {
    return `${this.path}/processes/${identity.pid}-${identity.startTime}`;
  }
}
