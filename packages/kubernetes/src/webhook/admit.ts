// What becomes of a pod, a workload or a namespace that is created or changed. Pure.

import { annotationName, earlierAnnotationName } from '../annotation/attachment.js';
import { problemText, wishOf } from '../annotation/merge-annotations.js';
import { type InjectionOptions, patchOf } from './inject.js';
import type { Admission, AdmissionRequest, ReviewedObject } from './review.js';

export interface AdmitOptions extends InjectionOptions {
  /** The mesh's own domain. */
  readonly domain: string;
  /** Annotations of a namespace; undefined where it is not known. */
  readonly annotationsOf: (namespace: string) => Readonly<Record<string, string>> | undefined;
}

type Annotations = Readonly<Record<string, string>>;

/**
 * A mistake is refused where it is made: in the annotation of a pod, of a template, or of a namespace. A pod is not refused for that of
 * its namespace, which may be older than this webhook.
 */
export function admit(request: AdmissionRequest, options: AdmitOptions): Admission {
  const { object, oldObject, operation, kind, namespace = '' } = request;
  const own = annotationsIn(object);
  if (operation === 'UPDATE' && isSame(own, oldObject ? annotationsIn(oldObject) : {}))
    return { allowed: true };
  const isPod = kind.group === '' && kind.kind === 'Pod';
  const common = isPod ? (options.annotationsOf(namespace) ?? {}) : {};
  const { attachments, problems } = wishOf(own, common, options.domain);
  const mistakes = problems.filter(({ of }) => of === 'pod');
  if (mistakes.length > 0) return { allowed: false, message: mistakes.map(textOf(kind.kind)).join('; ') };
  if (!isPod || operation !== 'CREATE') return { allowed: true };
  if (problems.length > 0) return { allowed: true, warnings: problems.map(problemText) };
  if (attachments.length === 0) return { allowed: true };
  if (object.spec?.hostNetwork)
    return {
      allowed: true,
      warnings: ["hostNetwork: the pod has the node's own network, and is not attached to network services"],
    };
  return { allowed: true, patch: patchOf(object.spec ?? {}, attachments, options) };
}

/** Of the pods that come of an object; of a pod and a namespace their own. */
function annotationsIn({ metadata, spec }: ReviewedObject): Annotations {
  const template = spec?.template ?? spec?.jobTemplate?.spec?.template;
  return (template ? template.metadata?.annotations : metadata.annotations) ?? {};
}

function isSame(one: Annotations, other: Annotations): boolean {
  return [annotationName, earlierAnnotationName].every((key) => one[key] === other[key]);
}

function textOf(kind: string): (problem: Parameters<typeof problemText>[0]) => string {
  const where = kind === 'Pod' || kind === 'Namespace' ? kind.toLowerCase() : `template of the ${kind}`;
  return (problem) => problemText(problem).replace('of the pod', `of the ${where}`);
}
