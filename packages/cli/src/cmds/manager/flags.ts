// What the command line of `nsm manager` says.
import type { TunnelType } from '@nsm/api';
import type { VxlanEngine } from '@nsm/forwarder';
import type { LogFlags } from '../../daemon/logger.js';
import type { EtcdFlags } from '../../flags/etcd-flags.js';
import type { LendingFlags } from '../../flags/lending-flags.js';
import type { LimitFlag } from '../../flags/limit-flag.js';
import type { SecurityFlags } from '../../flags/security-flags.js';

export interface ManagerFlags extends EtcdFlags, LendingFlags, SecurityFlags, LogFlags {
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
  readonly limit: LimitFlag;
  readonly forwarder: 'internal' | 'external';
  readonly forwarderSocket?: string;
  readonly probeInterval: number;
  readonly insecureOperators?: boolean;
  readonly policy?: string;
  readonly auditLog?: string;
  readonly metricsListen?: string;
  readonly otlpEndpoint?: string;
  /** Default: the manager's name. */
  readonly nodeName?: string;
  /** Default: where the registry is Kubernetes. */
  readonly attachPods?: boolean;
}
