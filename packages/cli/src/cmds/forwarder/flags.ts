// What the command line of `nsm forwarder` says.
import type { VxlanEngine } from '@nsm/forwarder';
import type { LendingFlags } from '../../lending-flags.js';
import type { LimitFlag } from '../../limit-flag.js';

export interface ForwarderFlags extends LendingFlags {
  readonly runDir: string;
  readonly vxlanEngine: VxlanEngine;
  readonly stateDir: string;
  readonly limit: LimitFlag;
  readonly logLevel: string;
  readonly group?: number;
}
