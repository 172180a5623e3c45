// Whether a subject is one of those that a rule is about.
import type { Subject } from '@nsm/api';
import { fits, fitsAny } from './glob.js';
import type { Range, Selector } from './policy-types.js';

export function selects(selector: Selector, subject: Subject): boolean {
  const { kubernetes } = selector;
  const pod = subject.kubernetes;
  return (
    // A namespace without a name has none that a pattern could stand for.
    (selector.netns === undefined || (subject.netns !== '' && fitsAny(selector.netns, subject.netns))) &&
    within(selector.inode, subject.inode) &&
    within(selector.uid, subject.uid) &&
    within(selector.gid, subject.gid) &&
    carries(subject.labels, selector.labels) &&
    named(selector.manager, subject.manager) &&
    named(selector.domain, subject.domain) &&
    (kubernetes === undefined ||
      (pod !== undefined &&
        named(kubernetes.namespace, pod.namespace) &&
        named(kubernetes.service_account, pod.serviceAccount) &&
        carries(pod.labels, kubernetes.labels)))
  );
}

export function selectsAny(selectors: readonly Selector[] | undefined, subject: Subject): boolean {
  return selectors === undefined || selectors.some((selector) => selects(selector, subject));
}

/** What is not known is within nothing. */
export function within(ranges: readonly Range[] | undefined, value: number | undefined): boolean {
  if (ranges === undefined) return true;
  return value !== undefined && ranges.some(({ least, most }) => least <= value && value <= most);
}

function named(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || (name !== '' && fitsAny(patterns, name));
}

function carries(has: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>> = {}) {
  for (const key in wanted) {
    const value = Object.hasOwn(has, key) ? has[key] : undefined;
    if (value === undefined || !fits(wanted[key] ?? '', value)) return false;
  }
  return true;
}
