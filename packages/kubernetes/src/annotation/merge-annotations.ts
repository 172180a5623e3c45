// What a pod asks for, by its own annotation and by that of its namespace.
import { type Attachment, annotationName, earlierAnnotationName, type Problem } from './attachment.js';
import { type ParsedAnnotation, parseAnnotation } from './parse-annotation.js';

export type Annotations = Readonly<Record<string, string>>;

/** A problem, and in which annotation it is. */
export interface PlacedProblem extends Problem {
  readonly annotation: string;
  readonly of: 'pod' | 'namespace';
}

export interface Wish {
  readonly attachments: readonly Attachment[];
  readonly problems: readonly PlacedProblem[];
}

/**
 * What the pod asks for, and what its namespace asks for every pod in it. Of the same service, or an interface of the same name, the pod's
 * own word counts. With a problem in either, nothing is asked for.
 * @param domain the mesh's own.
 */
export function wishOf(pod: Annotations, namespace: Annotations, domain?: string): Wish {
  const own = read(pod, 'pod', domain);
  const common = read(namespace, 'namespace', domain);
  const problems = [...own.problems, ...common.problems];
  if (problems.length > 0) return { attachments: [], problems };
  const services = new Set(own.attachments.map(({ service }) => service));
  const names = new Set(own.attachments.map(({ interfaceName }) => interfaceName));
  names.delete(undefined);
  const rest = common.attachments.filter(
    ({ service, interfaceName }) => !services.has(service) && !names.has(interfaceName),
  );
  return { attachments: [...own.attachments, ...rest], problems };
}

/** `pod's networkservicemesh.io, column 9: …`, for people. */
export function problemText({ of, annotation, column, message }: PlacedProblem): string {
  return `annotation ${annotation} of the ${of}, column ${column}: ${message}`;
}

function read(annotations: Annotations, of: PlacedProblem['of'], domain?: string): Wish {
  const annotation = annotations[annotationName] === undefined ? earlierAnnotationName : annotationName;
  const { attachments, problems }: ParsedAnnotation = parseAnnotation(annotations[annotation] ?? '', domain);
  return { attachments, problems: problems.map((problem) => ({ ...problem, annotation, of })) };
}
