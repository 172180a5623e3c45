// The audit log: one line for each decision and each change. Who, what, by which rule, and what came of it.
import { type CallContext, type NetworkServiceEndpoint, Pace, type Subject, spiffeIdOf } from '@nsm/api';
import type { AuditLog } from './audit-log.js';

/** A decision, as far as a line tells of it. */
export interface Decided {
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
}

/** The caller or subject of a line, by the facts that are known. */
export type Who = Readonly<Record<string, unknown>>;

/**
 * Refusals of one asker that have a line each. Of further refusals only the number is told: a flood of them would turn over the files
 * with the lines of all other askers.
 */
const refusalsTold = { atOnce: 256, perSecond: 16 };
/** Milliseconds after which one line tells the number of refusals without a line. */
const sumEveryMs = 10_000;

export interface AuditEvent {
  /** Such as `call`, `endpoint`, `connection`, `policy`. */
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
  readonly #pace = new Pace(refusalsTold);
  readonly #untold = new Map<string, { readonly who: Who; lines: number }>();

  /** @param log undefined: nothing is recorded. */
  constructor(log: Pick<AuditLog, 'write'> | undefined, manager: string) {
    this.#log = log;
    this.#manager = manager;
  }

  get isOn(): boolean {
    return this.#log !== undefined;
  }

  note(line: AuditEvent): void {
    if (!this.#log) return;
    const { who, outcome } = line;
    const isRefusal = outcome === 'denied' || outcome.startsWith('refused');
    const asker = isRefusal && who ? askerOf(who) : '';
    if (who && asker !== '' && !this.#pace.allows(asker)) this.#count(asker, who);
    else this.#write(line);
  }

  #count(asker: string, who: Who): void {
    const counted = this.#untold.get(asker);
    if (counted) {
      counted.lines++;
      return;
    }
    const first = { who, lines: 1 };
    this.#untold.set(asker, first);
    setTimeout(() => {
      this.#untold.delete(asker);
      this.#write({
        event: 'audit',
        who,
        outcome: 'refused more often than told',
        what: { lines: first.lines },
      });
    }, sumEveryMs).unref();
  }

  #write({ event, who, what, outcome, rule, reason }: AuditEvent): void {
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

/** Whose refusals are counted together: those of a network namespace, a machine or a manager. */
function askerOf({ cookie, inode, certificate, address, manager }: Who): string {
  return [manager, cookie ?? inode ?? '', certificate ?? address ?? ''].join(' ').trim();
}

/** A machine by its address and, where the machine shows one, its certificate. */
export function machineFields({
  identity,
  remoteAddress,
}: Pick<CallContext, 'identity' | 'remoteAddress'>): Who {
  return {
    ...(identity ? { certificate: spiffeIdOf(identity) } : {}),
    ...(remoteAddress ? { address: remoteAddress } : {}),
  };
}

/** The facts of a subject that are known. */
export function subjectFields(subject: Subject): Who {
  const { netns, inode, cookie, uid, gid, pid, labels, manager, domain, kubernetes: pod } = subject;
  return {
    ...(netns ? { netns } : {}),
    ...(inode ? { inode } : {}),
    ...(cookie ? { cookie } : {}),
    ...(pid ? { pid } : {}),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(manager ? { manager } : {}),
    ...(domain ? { domain } : {}),
    ...(pod ? { pod: { namespace: pod.namespace, serviceAccount: pod.serviceAccount, name: pod.name } } : {}),
  };
}
