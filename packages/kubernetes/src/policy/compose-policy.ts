// From the policy objects of a cluster to one policy text.
import { createHash } from 'node:crypto';
import type { KubeObject } from '@nsm/kube-client';

interface Rule {
  readonly name: string;
  readonly services?: readonly string[];
}

interface Spec {
  readonly namespaces?: readonly unknown[];
  readonly reserve?: Readonly<Record<string, readonly unknown[]>>;
  readonly rules?: readonly Rule[];
}

export interface PolicyPart extends KubeObject {
  readonly spec: object;
}

/** A network service, and the policy object that its own object refers to. */
export interface Reference {
  readonly service: string;
  readonly policy: string;
}

/** Longest name of a rule, and of what is left of one that is not unique as it is: its hash comes behind. */
const longest = 63;
const longestBeforeHash = 50;

/**
 * One policy of all objects, in the order of their names. Rules are called OBJECT.RULE, shortened where that is too long. Those that name
 * no network service are about the services that refer to their object, and about all where none does.
 * @returns JSON, which is YAML as well; undefined where there are no objects: no policy is in force.
 */
export function composePolicy(
  parts: Iterable<PolicyPart>,
  references: readonly Reference[],
): string | undefined {
  const sorted = [...parts].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  if (sorted.length === 0) return undefined;
  const reserve: Record<string, unknown[]> = {};
  const whole: { namespaces: unknown[]; reserve: typeof reserve; rules: Rule[] } = {
    namespaces: [],
    reserve,
    rules: [],
  };
  for (const part of sorted) {
    const { name } = part.metadata;
    const { namespaces = [], reserve: reserved = {}, rules = [] } = part.spec as Spec;
    whole.namespaces.push(...namespaces);
    for (const [service, holders] of Object.entries(reserved))
      reserve[service] = [...(reserve[service] ?? []), ...holders];
    const services = references.filter(({ policy }) => policy === name).map(({ service }) => service);
    for (const rule of rules)
      whole.rules.push({
        ...rule,
        name: ruleName(name, rule.name),
        ...(rule.services === undefined && services.length > 0 && { services: services.toSorted() }),
      });
  }
  return JSON.stringify(whole, undefined, 1);
}

/** One name for each rule of each object: those of objects may have dots, and be longer than those of rules. */
function ruleName(object: string, rule: string): string {
  const plain = `${object}.${rule}`;
  if (plain.length <= longest && !rule.includes('.')) return plain;
  const hash = createHash('sha256').update(`${object}/${rule}`).digest('hex');
  return `${plain.slice(0, longestBeforeHash)}-${hash.slice(0, longest - longestBeforeHash - 1)}`;
}
