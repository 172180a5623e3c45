// Names of the mesh as names and labels of Kubernetes, which allows fewer characters.
import { createHash } from 'node:crypto';

/** Longest label value, and longest name of a Service. */
const shortest = 63;

/** One object name for each list of names; where a name would be changed or joined in two ways, a hash tells which it is. */
export function objectName(...names: readonly string[]): string {
  const plain = names.join('.');
  if (plain.length <= shortest && names.every((name) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)))
    return plain;
  return `${slug(plain)}-${hashOf(names)}`;
}

/** Name of a manager's Lease. */
export const leaseName = (manager: string): string => `manager-${objectName(manager)}`;

/** A label value: the name itself where it is short enough. */
export function labelValue(name: string): string {
  return name.length <= shortest
    ? name
    : `${name.slice(0, 40).replace(/[^A-Za-z0-9]+$/, '')}-${hashOf([name])}`;
}

/** Name of a manager's Service, a DNS label (RFC 1123): the manager's own name where it is one. */
export function serviceName(manager: string): string {
  return /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(manager)
    ? manager
    : `nsm-${slug(manager)}-${hashOf([manager])}`;
}

/** Whether there can be a Kubernetes namespace of that name. */
export function isNamespaceName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

function slug(text: string): string {
  const letters = text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return letters.slice(0, 40).replace(/^-+|-+$/g, '');
}

/** Names hold no line end. */
function hashOf(names: readonly string[]): string {
  return createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 12);
}
