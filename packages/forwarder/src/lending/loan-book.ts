// Which devices of the node are in which pods, and what they were like: one file for each, written before it leaves.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InterfaceType, NsmError } from '@nsm/api';
import type { VfChanges } from '@nsm/netlink';
import type { Side } from '../port/wiring.js';
import type { DeviceState } from './device-state.js';

export interface Loan {
  /** The cross-connect's. */
  readonly id: string;
  readonly side: Side;
  readonly interface: InterfaceType;
  readonly pool: string;
  readonly pod: { readonly inode: number; readonly path: string };
  /** Hardware address of the device in the pod. */
  readonly mac: string;
  readonly before: DeviceState;
  /** Of a virtual function: its physical function, its number, and how it was set as far as that was changed. */
  readonly function?: { readonly physical: string; readonly before: VfChanges };
  /** The connection has ended, but the device was nowhere to be found: the kernel may yet bring it back. */
  readonly awaited: boolean;
}

/** Files outlast the process however it ends; where the machine restarts, devices are as they were by themselves. */
export class LoanBook {
  readonly #folder: string | undefined;
  readonly #nodeId: string;
  readonly #loans = new Map<string, Loan>();

  /**
   * @param folder undefined where nothing is ever lent.
   * @param nodeId loans of another node, or of this one before the machine restarted, are forgotten.
   */
  constructor(folder: string | undefined, nodeId: string) {
    this.#folder = folder;
    this.#nodeId = nodeId;
    if (folder === undefined) return;
    for (const file of filesIn(folder)) {
      const loan = readLoan(join(folder, file), nodeId);
      if (loan) this.#loans.set(keyOf(loan), loan);
      else rmSync(join(folder, file), { force: true });
    }
  }

  all(): Loan[] {
    return [...this.#loans.values()];
  }

  of(id: string): Loan[] {
    return this.all().filter((loan) => loan.id === id);
  }

  /** What one side of a cross-connect has now. */
  find(id: string, side: Side): Loan | undefined {
    return this.of(id).find((loan) => loan.side === side && !loan.awaited);
  }

  /** @throws NsmError `dataplane` when it cannot be written: then nothing may be lent. */
  put(loan: Loan): void {
    if (this.#folder === undefined) throw new NsmError('internal', 'nothing can be lent without a folder');
    const path = join(this.#folder, fileOf(loan));
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.new`, JSON.stringify({ nodeId: this.#nodeId, loan }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      throw new NsmError(
        'dataplane',
        `cannot record what device ${loan.before.name} is like, so it is not given away: ${String(error)}`,
        error,
      );
    }
    this.#loans.set(keyOf(loan), loan);
  }

  remove(loan: Loan): void {
    this.#loans.delete(keyOf(loan));
    if (this.#folder !== undefined) rmSync(join(this.#folder, fileOf(loan)), { force: true });
  }
}

function keyOf({ id, side, before }: Loan): string {
  return `${id} ${side} ${before.name}`;
}

/** Ids and names of devices consist of what may stand in a file name. */
function fileOf({ id, side, before }: Loan): string {
  return `${id}.${side}.${before.name}.json`;
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A file that a crash left half written was never renamed, and its device never touched. */
function readLoan(path: string, wanted: string): Loan | undefined {
  if (!path.endsWith('.json')) return undefined;
  const { nodeId, loan } = JSON.parse(readFileSync(path, 'utf8')) as { nodeId: string; loan: Loan };
  return nodeId === wanted ? loan : undefined;
}
