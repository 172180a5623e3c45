// A policy: rules in order, of which the first that fits decides. Pure: nothing is looked up, and the same question has the same
// answer.
import type { Condition } from './condition.js';
import { type Decision, type Question, unruled } from './decision.js';
import { fitsAny } from './glob.js';
import type { Holder, NamespaceLabels, PolicyFile, Rule } from './policy-types.js';
import { selects, selectsAny, within } from './selector.js';

/** Interface parameters that a rule must name before a client or endpoint may use them, by the value that needs leave. */
const needLeave: Readonly<Record<string, string>> = { source_check: 'off' };

export interface CompiledRule extends Rule {
  readonly condition?: Condition;
}

export interface CompiledPolicy extends PolicyFile {
  readonly rules: readonly CompiledRule[];
}

export class Policy {
  readonly #namespaces: readonly NamespaceLabels[];
  readonly #reserved: ReadonlyMap<string, readonly Holder[]>;
  readonly #rules: readonly CompiledRule[];

  constructor({ namespaces, reserve, rules }: CompiledPolicy) {
    this.#namespaces = namespaces;
    this.#reserved = new Map(Object.entries(reserve));
    this.#rules = rules;
  }

  /** The labels that the file gives to a network namespace. Of several entries that fit, the first has a label to give. */
  labelsOf(netns: string, inode: number): Record<string, string> {
    const labels: Record<string, string> = {};
    for (const entry of this.#namespaces) {
      if (entry.netns && (netns === '' || !fitsAny(entry.netns, netns))) continue;
      if (!within(entry.inode, inode)) continue;
      for (const [key, value] of Object.entries(entry.labels))
        if (!Object.hasOwn(labels, key)) labels[key] = value;
    }
    return labels;
  }

  decide(question: Question): Decision {
    const { action, service, subject, provider } = question;
    const holders = action === 'provide' ? this.#reserved.get(service) : undefined;
    if (holders && !holders.some((holder) => selects(holder, subject) && isNamed(holder.provider, provider)))
      return denied(`reserve ${service}`);
    for (const rule of this.#rules) {
      if (!concerns(rule, question)) continue;
      try {
        if (rule.condition?.(question) === false) continue;
      } catch (error) {
        return denied(rule.name, `, whose condition cannot be worked out: ${(error as Error).message}`);
      }
      return rule.effect === 'deny' ? denied(rule.name) : allowed(rule, question);
    }
    return denied('default');
  }
}

function concerns(rule: Rule, { action, subject, service, provider, ...question }: Question): boolean {
  const { interface: wanted, providedBy } = question;
  return (
    rule.actions.includes(action) &&
    fitsAny(rule.services, service) &&
    isNamed(rule.providers, provider) &&
    selectsAny(rule.subjects, subject) &&
    (rule.provided_by === undefined ||
      (providedBy !== undefined && selectsAny(rule.provided_by, providedBy))) &&
    // Whoever asks whether anything is allowed is not stopped by what some interface must be.
    (wanted === undefined ||
      ((rule.interfaces === undefined || rule.interfaces.includes(wanted.type)) &&
        (rule.pools === undefined || fitsAny(rule.pools, wanted.parameters.pool ?? ''))))
  );
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
function isNamed(
  patterns: readonly string[] | undefined,
  { name, namespace }: Question['provider'],
): boolean {
  if (patterns === undefined) return true;
  const full = `${namespace || 'default'}/${name}`;
  return patterns.some((pattern) => fitsAny([pattern], pattern.includes('/') ? full : name));
}
