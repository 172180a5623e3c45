// What a policy is asked, and what it answers.
import type { Subject } from '@nsm/api';
import type { Limits } from './limits.js';

/** Provide: an endpoint offers a service. Request: a client asks for one, of a certain endpoint. */
export const actions = ['provide', 'request'] as const;
export type Action = (typeof actions)[number];

export interface Question {
  readonly action: Action;
  /** Who provides, or who asks. */
  readonly subject: Subject;
  readonly service: string;
  /** The endpoint that is offered, or asked for. */
  readonly provider: { readonly name: string; readonly namespace: string };
  /** Who serves that endpoint, in a request. */
  readonly providedBy?: Subject | undefined;
  /** An interface that is offered or asked for, such as `kernel`; absent: whether any is allowed. */
  readonly interface?:
    | { readonly type: string; readonly parameters: Readonly<Record<string, string>> }
    | undefined;
}

/** What an endpoint may give to clients; absent: anything. Prefixes of IP. */
export interface Gives {
  readonly prefixes?: readonly string[];
  readonly routes?: readonly string[];
}

export interface Decision {
  readonly allowed: boolean;
  /** Of the rule that decided: `default` where none matched, '' where there is no policy. */
  readonly rule: string;
  /** Why it is not allowed, for the subject: without a word about others. '' where it is. */
  readonly reason: string;
  readonly gives: Gives;
  readonly limits: Limits;
}

/** Where there is no policy, everything is allowed. */
export const unruled: Decision = { allowed: true, rule: '', reason: '', gives: {}, limits: {} };
