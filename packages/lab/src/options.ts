// What every command of the lab takes and gives back.
import type { LineSink } from '@nsm/output';
import type { LabReport } from './measure/report.js';

/** Where a command writes. Results go to `stdout`, progress and remarks to `stderr`. */
export interface LabOutput {
  readonly stdout: LineSink;
  readonly stderr: LineSink;
}

export interface LabOptions {
  /** Print the result as JSON; nothing else goes to `stdout` then. Default: false. */
  readonly json?: boolean;
  /** Default: those of the process. */
  readonly output?: LabOutput;
}

export interface LabUpOptions extends LabOptions {
  /** Take the lab down again as soon as it has been measured. Default: false, stay until `signal`. */
  readonly once?: boolean;
  /** Print what would be made, make nothing. Default: false. */
  readonly dryRun?: boolean;
  /** Return once the lab is up and leave it to `labDown`. Needs root. Default: false. */
  readonly keep?: boolean;
  /** Show the lab as a page while it stays: on this HOST:PORT, or '' for the usual one or any that is free. Default: no page. */
  readonly dashboard?: string;
  /** Called when the lab is up, and stays. */
  readonly onUp?: () => void;
  /** Its file may set any variable, and name files of this machine. Default: false. */
  readonly trust?: boolean;
  /** Takes the lab down. Default: SIGINT, SIGTERM and SIGHUP of this process do. */
  readonly signal?: AbortSignal;
  /** Milliseconds in which its programs must end when it is taken down. Default: 5000. */
  readonly graceMs?: number;
  /** How `nsm` is run. Default: the command of this installation. */
  readonly command?: readonly string[];
}

export interface LabResult {
  /** What the exit status should say: true for 0. */
  readonly ok: boolean;
  /** Absent for a dry run, and where the lab came up in another process (without root). */
  readonly report?: LabReport;
}
