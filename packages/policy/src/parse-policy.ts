// Reads a policy file: all of it, or nothing.
import { type Problem, parseYamlFile, type YamlFileKind } from '@nsm/yaml-file';
import { compile } from './condition.js';
import { type CompiledRule, Policy } from './policy.js';
import { policySchema } from './policy-schema.js';
import type { PolicyFile, Rule } from './policy-types.js';

/** Rules that one file may have: a decision looks at each. */
const maxRules = 1000;

/** What a rule that denies cannot have. */
const forAllowed = ['prefixes', 'routes'] as const;

/**
 * Reads and checks the text of a policy file; `name` is how errors call it.
 * @throws NsmError `invalid`, naming every problem with its line and column
 */
export function parsePolicy(text: string, name: string): Policy {
  const conditions = new Map<Rule, CompiledRule>();
  const kind: YamlFileKind<PolicyFile> = {
    what: 'policy file',
    schema: policySchema,
    problemsOf: (file) => problemsOf(file, conditions),
  };
  const file = parseYamlFile(text, name, kind);
  return new Policy({ ...file, rules: file.rules.map((rule) => conditions.get(rule) ?? rule) });
}

function problemsOf({ namespaces, rules }: PolicyFile, compiled: Map<Rule, CompiledRule>): Problem[] {
  const problems: Problem[] = [];
  const add = (path: readonly PropertyKey[], words: string): void => {
    problems.push({ path, text: words });
  };
  for (const [index, { netns, inode }] of namespaces.entries())
    if (!netns && !inode) add(['namespaces', index], `namespaces[${index}]: name them by netns or inode`);
  if (rules.length > maxRules)
    add(['rules'], `rules: there are ${rules.length}; at most ${maxRules} are read`);
  const names = new Set(['default']);
  for (const [index, rule] of rules.entries()) {
    const at = `rules[${index}]`;
    if (names.has(rule.name))
      add(
        ['rules', index, 'name'],
        `${at}.name: "${rule.name}" is ${rule.name === 'default' ? 'what decides where no rule fits' : 'there twice'}; give it another`,
      );
    names.add(rule.name);
    if (rule.effect === 'deny') {
      const pointless = [
        ...forAllowed.filter((key) => rule[key] !== undefined),
        ...(rule.parameters.length > 0 ? ['parameters'] : []),
        ...(Object.keys(rule.limits).length > 0 ? ['limits'] : []),
      ];
      for (const key of pointless)
        add(['rules', index, key], `${at}.${key}: a rule that denies gives nothing; leave it out, or allow`);
    }
    if (rule.provided_by && rule.actions.includes('provide'))
      add(
        ['rules', index, 'provided_by'],
        `${at}.provided_by: it is about requests; say "actions: request", or select subjects`,
      );
    if (rule.when === undefined) continue;
    try {
      compiled.set(rule, { ...rule, condition: compile(rule.when) });
    } catch (error) {
      add(['rules', index, 'when'], `${at}.when: the condition ${(error as Error).message}`);
    }
  }
  return problems;
}
