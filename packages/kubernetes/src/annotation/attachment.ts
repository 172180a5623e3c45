// What an annotation asks for: connections to network services.
import type { InterfaceWord } from '@nsm/api';

/** The annotation of a pod, of a workload's template, or of a namespace. */
export const annotationName = 'networkservicemesh.io';
/** As the first versions of the original Network Service Mesh named it. */
export const earlierAnnotationName = 'ns.networkservicemesh.io';

/**
 * Who asks for the connection: the manager of the node for the pod, or a container in the pod, which ends before the application begins
 * (`init`) or runs beside it (`sidecar`).
 */
export type AttachmentMode = 'node' | 'init' | 'sidecar';

/** One connection that a pod is to have. */
export interface Attachment {
  readonly service: string;
  readonly type: InterfaceWord;
  /** Undefined where the mesh chooses a name. */
  readonly interfaceName?: string;
  /** Labels that the endpoint has to carry. */
  readonly labels: Readonly<Record<string, string>>;
  /** Parameters of the interface, its name excepted. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly mode: AttachmentMode;
}

/** What is wrong in an annotation, and where: columns are counted in characters from 1. */
export interface Problem {
  readonly column: number;
  readonly message: string;
}

/** One service may be had several times, by interfaces of different names. */
export function attachmentKey({
  service,
  interfaceName = '',
}: Pick<Attachment, 'service' | 'interfaceName'>): string {
  return `${service}/${interfaceName}`;
}
