// What every command of the lab takes and gives back.
import type { LabReport } from './report.js';

/** Where a command writes. Results go to `stdout`, progress and remarks to `stderr`. */
export interface LabOutput {
  readonly stdout: LabStream;
  readonly stderr: LabStream;
}

export interface LabStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface LabOptions {
  /** Print the result as JSON; nothing else goes to `stdout` then. Default: false. */
  readonly json?: boolean;
  /** Default: those of the process. */
  readonly output?: LabOutput;
}

export interface LabResult {
  /** What the exit status should say: true for 0. */
  readonly ok: boolean;
  /** Absent for a dry run, and where the lab came up in another process (without root). */
  readonly report?: LabReport;
}
