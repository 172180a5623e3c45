// A policy: rules in order, of which the first that fits decides. Pure: nothing is looked up, and the same question has the same
// answer.
import type { Subject } from '@nsm/api';
import type { Condition } from './condition.js';
import { type Action, type Decision, type Question, unruled } from './decision.js';
import { type Fits, fitsAny } from './glob.js';
import { isSubjectLimit, type RuledLimit, type SubjectLimit } from './limits.js';
import type { PolicyFile, Rule } from './policy-types.js';
import { type Selects, selects, selectsAny, within } from './selector.js';

/** Interface parameters that a rule must name before a client or endpoint may use them, by the value that needs leave. */
const needLeave: Readonly<Record<string, string>> = { source_check: 'off' };

export interface CompiledRule extends Rule {
  readonly condition?: Condition;
}

export interface CompiledPolicy extends PolicyFile {
  readonly rules: readonly CompiledRule[];
}

/** Action and service of questions whose rules are remembered: services have the names that strangers ask for. */
const maxRemembered = 1024;

type Provider = Question['provider'];

/** A rule, and whether it concerns a question about its actions and services. */
interface Line {
  readonly rule: CompiledRule;
  readonly isService: Fits;
  readonly concerns: (question: Question) => boolean;
}

export class Policy {
  readonly #labelled: readonly {
    readonly names: (netns: string, inode: number) => boolean;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  readonly #holders: ReadonlyMap<string, (question: Question) => boolean>;
  readonly #lines: readonly Line[];
  readonly #remembered = new Map<string, readonly Line[]>();
  /** Rules with limits that do not depend on what is asked for, and whom they are about. */
  readonly #limiting: readonly (readonly [Selects, CompiledRule])[];

  constructor({ namespaces, reserve, rules }: CompiledPolicy) {
    this.#labelled = namespaces.map(({ netns, inode, labels }) => {
      const fit = netns && fitsAny(netns);
      const names = (name: string, number: number): boolean =>
        (!fit || (name !== '' && fit(name))) && (!inode || within(inode, number));
      return { names, labels };
    });
    this.#holders = new Map(
      Object.entries(reserve).map(([service, holders]) => {
        const compiled = holders.map(
          ({ provider, ...holder }) => [selects(holder), isNamed(provider)] as const,
        );
        const holds = (question: Question): boolean =>
          compiled.some(([isIt, named]) => isIt(question.subject) && named(question.provider));
        return [service, holds];
      }),
    );
    this.#lines = rules.map(lineOf);
    this.#limiting = rules
      .filter(({ when, limits }) => !when && Object.keys(limits).some(isSubjectLimit))
      .map((rule) => [selectsAny(rule.subjects), rule] as const);
  }

  /** The labels that the file gives to a network namespace. Of several entries that fit, the first has a label to give. */
  labelsOf(netns: string, inode: number): Record<string, string> {
    const labels: Record<string, string> = {};
    for (const entry of this.#labelled) {
      if (!entry.names(netns, inode)) continue;
      for (const [key, value] of Object.entries(entry.labels))
        if (!Object.hasOwn(labels, key)) labels[key] = value;
    }
    return labels;
  }

  /** Of whatever a subject asks for: the limit of the first rule that allows the subject something, has no condition and has one. */
  limitOf(subject: Subject, name: SubjectLimit): RuledLimit | undefined {
    for (const [isIt, { name: rule, limits }] of this.#limiting) {
      const limit = limits[name];
      if (limit !== undefined && isIt(subject)) return { limit, rule };
    }
    return undefined;
  }

  decide(question: Question): Decision {
    const { action, service } = question;
    if (action === 'provide' && this.#holders.get(service)?.(question) === false)
      return denied(`reserve ${service}`);
    for (const { rule, concerns } of this.#linesFor(action, service)) {
      if (!concerns(question)) continue;
      try {
        if (rule.condition?.(question) === false) continue;
      } catch (error) {
        return denied(rule.name, `, whose condition cannot be worked out: ${(error as Error).message}`);
      }
      return rule.effect === 'deny' ? denied(rule.name) : allowed(rule, question);
    }
    return denied('default');
  }

  #linesFor(action: Action, service: string): readonly Line[] {
    const key = `${action} ${service}`;
    const known = this.#remembered.get(key);
    if (known) return known;
    const lines = this.#lines.filter(
      ({ rule, isService }) => rule.actions.includes(action) && isService(service),
    );
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    this.#remembered.set(key, lines);
    return lines;
  }
}

function lineOf(rule: CompiledRule): Line {
  const isService = rule.services ? fitsAny(rule.services) : () => true;
  const isSubject = selectsAny(rule.subjects);
  const isProvider = isNamed(rule.providers);
  const isProvidedBy = rule.provided_by && selectsAny(rule.provided_by);
  const isPool = rule.pools && fitsAny(rule.pools);
  const concerns = ({ subject, provider, providedBy, interface: wanted }: Question): boolean =>
    isSubject(subject) &&
    isProvider(provider) &&
    (!isProvidedBy || (providedBy !== undefined && isProvidedBy(providedBy))) &&
    // The question whether anything is allowed is not stopped by what some interface must be.
    (wanted === undefined ||
      ((rule.interfaces === undefined || rule.interfaces.includes(wanted.type)) &&
        (!isPool || isPool(wanted.parameters.pool ?? ''))));
  return { rule, isService, concerns };
}

function allowed(rule: CompiledRule, { interface: wanted }: Question): Decision {
  for (const [name, value] of Object.entries(needLeave))
    if (wanted?.parameters[name] === value && !rule.parameters.includes(`${name}=${value}`))
      return denied(rule.name, `: the rule gives no leave for interface parameter ${name}=${value}`);
  const { name, prefixes, routes, limits } = rule;
  const gives = { ...(prefixes ? { prefixes } : {}), ...(routes ? { routes } : {}) };
  return { ...unruled, rule: name, gives, limits };
}

function denied(rule: string, more = ''): Decision {
  return { ...unruled, allowed: false, rule, reason: `not allowed by rule "${rule}"${more}` };
}

/** NAME stands for it in each namespace of providers, NAMESPACE/NAME in one. */
function isNamed(patterns: readonly string[] | undefined): (provider: Provider) => boolean {
  if (!patterns) return () => true;
  const short = fitsAny(patterns.filter((pattern) => !pattern.includes('/')));
  const full = fitsAny(patterns.filter((pattern) => pattern.includes('/')));
  return ({ name, namespace }) => short(name) || full(`${namespace || 'default'}/${name}`);
}
