// What the command line of `nsm check` says.
import type { GroupName } from './group-names.js';

export interface CheckFlags {
  readonly runDir: string;
  readonly stateDir: string;
  readonly listen: string;
  readonly registry?: string;
  /** Before the first manager is started: what needs one is left out. */
  readonly pre?: boolean;
  /** Names of groups; none: all. */
  readonly only: readonly GroupName[];
  readonly json?: boolean;
  /** File; `-` is standard output. */
  readonly junit?: string;
}
