// The error for a name that the mesh does not know: it lists the names that the mesh knows.
import { abbreviatedList, NsmError } from '@nsm/api';

export function notFound(what: string, name: string, known: readonly string[]): NsmError {
  const others = known.length > 0 ? `known: ${abbreviatedList(known)}` : 'there is none';
  return new NsmError('not-found', `no ${what} "${name}"; ${others}`);
}
