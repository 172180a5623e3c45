// In which namespace of a cluster the objects of a mesh are.
import { NsmError } from '@nsm/api';
import { isNamespaceName } from './object-names.js';

/** Of `kubernetes:[NAMESPACE]`; '' where it names none. @throws NsmError `invalid` */
export function meshNamespaceOf(url: string): string {
  const namespace = url.slice('kubernetes:'.length);
  if (namespace === '' || isNamespaceName(namespace)) return namespace;
  throw new NsmError(
    'invalid',
    `registry ${url}: expected kubernetes: or kubernetes:NAMESPACE, with a namespace of the cluster`,
  );
}
