// What the command line of `nsm manager` says.
import type { TunnelType } from '@nsm/api';
import type { VxlanEngine } from '@nsm/forwarder';
import type { Limited } from '@nsm/manager/limits';
import type { LendingFlags } from '../../lending-flags.js';
import type { SecurityFlags } from '../../security-flags.js';

export interface ManagerFlags extends LendingFlags, SecurityFlags {
  readonly name: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly listen: string;
  readonly advertise?: string;
  readonly registry: string;
  readonly tunnelAddress?: string;
  readonly tunnel: readonly { readonly service?: string; readonly type: TunnelType }[];
  readonly vxlanEngine: VxlanEngine;
  readonly prefix: readonly { readonly service?: string; readonly cidr: string }[];
  readonly clusterPrefix: readonly string[];
  readonly allowUid: readonly number[];
  readonly limit: readonly (readonly [Limited, number])[];
  readonly forwarder: 'internal' | 'external';
  readonly forwarderSocket?: string;
  readonly probeInterval: number;
  readonly policy?: string;
  readonly auditLog?: string;
  readonly metricsListen?: string;
  readonly logLevel: string;
}
