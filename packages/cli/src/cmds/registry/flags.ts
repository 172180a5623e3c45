// What the command line of `nsm registry` says.

import type { LogFlags } from '../../daemon/logger.js';
import type { EtcdFlags } from '../../flags/etcd-flags.js';
import type { SecurityFlags } from '../../flags/security-flags.js';

export interface RegistryFlags extends EtcdFlags, SecurityFlags, LogFlags {
  readonly name: string;
  readonly listen: string;
  readonly store: string;
  readonly stateDir: string;
  readonly metricsListen?: string;
}
