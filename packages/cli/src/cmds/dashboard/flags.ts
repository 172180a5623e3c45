// What the command line of `nsm dashboard` says.
import type { OperatorFlags } from '../../flags/operator-flags.js';

export interface DashboardFlags extends OperatorFlags {
  readonly listen: string;
  readonly allowChanges?: boolean;
  readonly token?: string;
  readonly hostName: readonly string[];
  readonly https?: boolean;
  readonly json?: boolean;
}
