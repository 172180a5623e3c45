// What the command line of `nsm forwarder` says.
import type { VxlanEngine } from '@nsm/forwarder';
import type { LendingFlags } from '../../lending-flags.js';
import type { LimitFlag } from '../../limit-flag.js';
import type { LogFlags } from '../../logger.js';

export interface ForwarderFlags extends LendingFlags, LogFlags {
  readonly runDir: string;
  readonly vxlanEngine: VxlanEngine;
  readonly stateDir: string;
  readonly limit: LimitFlag;
  readonly group?: number;
  readonly metricsListen?: string;
}
