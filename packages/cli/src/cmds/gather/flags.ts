// What the command line of `nsm gather` says.
import type { OperatorFlags } from '../../flags/operator-flags.js';

export interface GatherFlags extends OperatorFlags {
  /** `-` is standard output. Default: nsm-gather-HOST-TIME.tar.gz in the current folder. */
  readonly archive?: string;
  readonly stateDir: string;
  readonly json?: boolean;
}
