// What a manager is told at its start.
import type { Worker } from 'node:worker_threads';
import type { TunnelType } from '@nsm/api';
import type { LendingOptions, VxlanEngine } from '@nsm/forwarder';
import type { Course, Metrics } from '@nsm/observe';
import type { MachineCredentials } from '@nsm/pki';
import type { EtcdOptions } from '@nsm/registry';
import type { Logger } from 'pino';
import type { Limits } from './admission/limits.js';
import type { ClusterNetworks } from './cluster/cluster-prefixes.js';
import type { MendPauses } from './connection/mend-pace.js';
import type { NodePods } from './node-pods.js';
import type { PolicyOrigin } from './policy/policy-origin.js';
import type { FaultInjector } from './request/transaction.js';

export interface ManagerOptions {
  /** The manager's name: the `network_service_host` of the endpoints it serves. */
  readonly name: string;
  /** What the others are told that runs here, such as `0.1.0`. Default: nothing. */
  readonly version?: string;
  /** Folder of client.sock, endpoint.sock and admin.sock. */
  readonly runDir: string;
  /** Folder of what must outlast a restart. */
  readonly stateDir: string;
  /** HOST:PORT on which other managers are served. */
  readonly listen: string;
  /** HOST:PORT under which they find this one; port 0 is replaced by the port listened on. */
  readonly advertise: string;
  /** `embedded:`, `nsm://[NAME@]HOST:PORT` or `etcd://HOST:PORT,…`. */
  readonly registry: string;
  /** Certificate and user that an etcd asks for. Default: none. */
  readonly etcd?: EtcdOptions;
  /** Underlay address of tunnels. Default: the one the kernel routes with. */
  readonly tunnelAddress?: string;
  /**
   * The only tunnel types to use, in order of preference, for one network service or, without `service`, for all others.
   * Default: all that work here, VXLAN first.
   */
  readonly tunnels: readonly { readonly service?: string; readonly type: TunnelType }[];
  /** What carries VXLAN in the manager's own forwarder. Default: eBPF. */
  readonly vxlanEngine?: VxlanEngine;
  /** Devices of this node that its own forwarder may give to pods. Default: none. */
  readonly lending?: Pick<LendingOptions, 'hwPools' | 'sriovPools' | 'sysfs'>;
  /** Where addresses come from, for one network service or, without `service`, for all others. */
  readonly prefixes: readonly { readonly service?: string; readonly cidr: string }[];
  /** Prefixes of the cluster, to which pods send by their own default route whatever routes connections have. Default: none. */
  readonly clusterPrefixes?: readonly string[];
  /** Tells further prefixes of the cluster. Default: none. */
  readonly clusterNetworks?: ClusterNetworks;
  /** Users whose processes may name network namespaces that are not their own. */
  readonly allowedUids: readonly number[];
  /** What one pod may have. Default: see `defaultLimits`. */
  readonly limits?: Partial<Limits>;
  /** Socket of a forwarder in a process of its own. Default: one in a worker thread. */
  readonly forwarderSocket?: string;
  /** A thread that has begun to load a forwarder already, by `loadForwarderThread`. Default: a new one. */
  readonly forwarderThread?: Worker;
  /** What is shown to other machines, and whom of those is believed. Default: plain text, and anybody may call (`--insecure`). */
  readonly credentials?: MachineCredentials;
  /** Without credentials: every caller over TCP may look as an operator does. Default: operators are on the node alone. */
  readonly insecureOperators?: boolean;
  /** File, or other place, that says who may provide and ask for what. Default: none, and everybody may. */
  readonly policy?: string | PolicyOrigin;
  /** File or pipe of decisions and changes, one line of JSON for each; `-` for stderr. Default: none. */
  readonly auditLog?: string;
  /** The pods of this node, where Kubernetes runs them. Default: none are known. */
  readonly pods?: NodePods;
  readonly logger: Logger;
  /** Where what it does is counted. Default: nowhere. */
  readonly metrics?: Metrics;
  /** Hears of each order that has ended. Default: nobody does. */
  readonly onOrder?: (course: Course) => void;
  /** Milliseconds a whole request may take. Default: 10000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds between two looks at whether packets come back from each other node. Default: 500. */
  readonly probeIntervalMs?: number;
  /** Milliseconds without an answer from a client and its manager, after which its half of this node ends. Default: 300000. */
  readonly orphanedMs?: number;
  /** How much less often what something undoes again and again is mended. Default: a second to half a minute. */
  readonly mendPauses?: MendPauses;
  /** Called after each step of a request; tests make it throw. */
  readonly faults?: FaultInjector;
}
