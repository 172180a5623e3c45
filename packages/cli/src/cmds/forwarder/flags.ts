// What the command line of `nsm forwarder` says.
import type { VxlanEngine } from '@nsm/forwarder';
import type { LogFlags } from '../../daemon/logger.js';
import type { LendingFlags } from '../../flags/lending-flags.js';
import type { LimitFlag } from '../../flags/limit-flag.js';

export interface ForwarderFlags extends LendingFlags, LogFlags {
  readonly runDir: string;
  readonly vxlanEngine: VxlanEngine;
  readonly stateDir: string;
  readonly limit: LimitFlag;
  readonly group?: number;
  readonly metricsListen?: string;
}
