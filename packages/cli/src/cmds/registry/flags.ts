// What the command line of `nsm registry` says.
import type { SecurityFlags } from '../../security-flags.js';

export interface RegistryFlags extends SecurityFlags {
  readonly name: string;
  readonly listen: string;
  readonly store: string;
  readonly stateDir: string;
  readonly metricsListen?: string;
  readonly logLevel: string;
}
