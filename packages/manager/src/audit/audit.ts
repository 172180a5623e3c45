// The audit log: one line for each decision and each change. Who, what, by which rule, and what came of it.
import type { NetworkServiceEndpoint, Subject } from '@nsm/api';
import type { AuditLog } from './audit-log.js';

/** What is decided, as far as a line tells it. */
export interface Decided {
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
}

/** Who is behind a line; only facts that are known. */
export type Who = Readonly<Record<string, unknown>>;

export interface AuditEvent {
  /** Such as `request`, `endpoint`, `connection`, `policy`. */
  readonly event: string;
  readonly who?: Who | undefined;
  /** Service, request, connection, endpoint, …. */
  readonly what?: Readonly<Record<string, unknown>>;
  readonly outcome: string;
  readonly rule?: string;
  readonly reason?: string;
}

export class Audit {
  readonly #log: Pick<AuditLog, 'write'> | undefined;
  readonly #manager: string;

  /** @param log undefined: nothing is recorded. */
  constructor(log: Pick<AuditLog, 'write'> | undefined, manager: string) {
    this.#log = log;
    this.#manager = manager;
  }

  get isOn(): boolean {
    return this.#log !== undefined;
  }

  /** Never waits, and never fails. */
  note({ event, who, what, outcome, rule, reason }: AuditEvent): void {
    this.#log?.write({
      time: new Date().toISOString(),
      manager: this.#manager,
      event,
      outcome,
      ...(rule ? { rule } : {}),
      ...(reason ? { reason } : {}),
      ...(who ? { who } : {}),
      ...(what ? { what } : {}),
    });
  }

  /** A decision of the policy, or of what stands in its place. @param of service and endpoint. */
  decision(
    action: 'provide' | 'request',
    subject: Subject,
    of: Readonly<Record<string, unknown>>,
    { allowed, rule, reason }: Decided,
  ): void {
    if (!this.#log) return;
    const what = { action, ...of };
    this.note({
      event: 'decision',
      who: subjectFields(subject),
      what,
      outcome: allowed ? 'allowed' : 'denied',
      rule,
      reason,
    });
  }
}

export function endpointFields(endpoint: NetworkServiceEndpoint): Readonly<Record<string, unknown>> {
  const { networkServiceName, nseProviderName, nseProviderNamespace, networkServiceHost } = endpoint;
  return {
    service: networkServiceName,
    endpoint: nseProviderName,
    ...(nseProviderNamespace ? { namespace: nseProviderNamespace } : {}),
    node: networkServiceHost,
  };
}

/** Without what is not known. */
export function subjectFields(subject: Subject): Who {
  const { netns, inode, uid, gid, labels, manager, domain, kubernetes: pod } = subject;
  return {
    ...(netns ? { netns } : {}),
    ...(inode ? { inode } : {}),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(manager ? { manager } : {}),
    ...(domain ? { domain } : {}),
    ...(pod ? { pod: { namespace: pod.namespace, serviceAccount: pod.serviceAccount, name: pod.name } } : {}),
  };
}
