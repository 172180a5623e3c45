// What the command line of `nsm registry` says.
import type { EtcdFlags } from '../../etcd-flags.js';
import type { LogFlags } from '../../logger.js';
import type { SecurityFlags } from '../../security-flags.js';

export interface RegistryFlags extends EtcdFlags, SecurityFlags, LogFlags {
  readonly name: string;
  readonly listen: string;
  readonly store: string;
  readonly stateDir: string;
  readonly metricsListen?: string;
}
