// What explaining uses: all that a request uses, and what knows pods and policy.
import type { MachineCredentials } from '@nsm/pki';
import type { Registry } from '@nsm/registry';
import type { NodePods } from '../node-pods.js';
import type { PolicySource } from '../policy/policy-source.js';
import type { Subjects } from '../policy/subjects.js';
import type { RequestComponents } from '../request/components.js';

export interface ExplainComponents extends RequestComponents {
  readonly registry: Registry;
  readonly subjects: Subjects;
  readonly source: PolicySource;
  readonly credentials: MachineCredentials | undefined;
  /** Undefined where Kubernetes runs none. */
  readonly pods: NodePods | undefined;
}
