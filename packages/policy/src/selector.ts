// Whether a subject is one of those that a rule is about. Selectors become functions when the policy is read: a decision asks
// hundreds of them.
import type { Subject } from '@nsm/api';
import { type Fits, fitsAny } from './glob.js';
import type { KubernetesSelector, Range, Selector } from './policy-types.js';

export type Selects = (subject: Subject) => boolean;

/** Fits who fits all fields that are given. What is not known of a subject fits nothing. */
export function selects(selector: Selector): Selects {
  const { netns, inode, uid, gid, labels, kubernetes, manager, domain } = selector;
  const checks: Selects[] = [];
  if (netns) checks.push(textCheck(netns, (subject) => subject.netns));
  if (inode) checks.push(({ inode: value }) => within(inode, value));
  if (uid) checks.push(({ uid: value }) => within(uid, value));
  if (gid) checks.push(({ gid: value }) => within(gid, value));
  if (labels) {
    const carries = labelCheck(labels);
    checks.push((subject) => carries(subject.labels));
  }
  if (manager) checks.push(textCheck(manager, (subject) => subject.manager));
  if (domain) checks.push(textCheck(domain, (subject) => subject.domain));
  if (kubernetes) checks.push(...podChecks(kubernetes));
  return (subject) => checks.every((check) => check(subject));
}

/** Undefined selectors select everybody. */
export function selectsAny(selectors: readonly Selector[] | undefined): Selects {
  if (!selectors) return () => true;
  const compiled = selectors.map(selects);
  return (subject) => compiled.some((one) => one(subject));
}

export function within(ranges: readonly Range[], value: number | undefined): boolean {
  return value !== undefined && ranges.some(({ least, most }) => least <= value && value <= most);
}

function podChecks({ namespace, service_account: account, labels }: KubernetesSelector): Selects[] {
  const checks: Selects[] = [({ kubernetes }) => kubernetes !== undefined];
  if (namespace) checks.push(textCheck(namespace, ({ kubernetes }) => kubernetes?.namespace ?? ''));
  if (account) checks.push(textCheck(account, ({ kubernetes }) => kubernetes?.serviceAccount ?? ''));
  if (labels) {
    const carries = labelCheck(labels);
    checks.push(({ kubernetes }) => carries(kubernetes?.labels ?? {}));
  }
  return checks;
}

/** A name that is not known has none that a pattern could stand for. */
function textCheck(patterns: readonly string[], read: (subject: Subject) => string): Selects {
  const fit = fitsAny(patterns);
  return (subject) => {
    const value = read(subject);
    return value !== '' && fit(value);
  };
}

function labelCheck(
  wanted: Readonly<Record<string, string>>,
): (has: Readonly<Record<string, string>>) => boolean {
  const checks = Object.entries(wanted).map(([key, pattern]): [string, Fits] => [key, fitsAny([pattern])]);
  return (has) =>
    checks.every(([key, fit]) => {
      const value = Object.hasOwn(has, key) ? has[key] : undefined;
      return value !== undefined && fit(value);
    });
}
