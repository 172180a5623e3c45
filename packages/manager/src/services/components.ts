// What the services use: they turn what is called into orders, and what is known into replies.

import type { Courses } from '@nsm/observe';
import type { MachineCredentials } from '@nsm/pki';
import type { Intake } from '../admission/intake.js';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { ManagerOptions } from '../manager-options.js';
import type { NodePods } from '../node-pods.js';
import type { RequestComponents } from '../request/components.js';
import type { SignalComponents } from '../signals/components.js';
import type { RequestsUnderWay } from './requests-under-way.js';

export interface ServiceComponents extends Omit<RequestComponents, keyof SignalComponents>, SignalComponents {
  readonly guard: NamespaceGuard;
  /** Undefined where Kubernetes runs none. */
  readonly pods: NodePods | undefined;
  /** Undefined where no decision is recorded. */
  readonly auditLog: AuditLog | undefined;
  readonly credentials: MachineCredentials | undefined;
  readonly intake: Intake;
  readonly underWay: RequestsUnderWay;
  readonly courses: Courses;
  /** Where the manager is to keep its state and where the manager does, and HOST:PORT that the manager listens on. */
  readonly places: Pick<ManagerOptions, 'stateDir' | 'listen'> & { readonly state: string };
  /** Milliseconds a whole request may take. */
  readonly requestTimeoutMs: number;
  /** Resolves when what was there before the last restart has been looked for: endpoints, connections and their interfaces. */
  readonly recovered: Promise<void>;
}
