// What a request asks for, in short: a client that asks again for the same gets what it has.
import { createHash } from 'node:crypto';
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { canonical } from '../canonical.js';

/**
 * The same for requests that ask for the same, whatever the order of their map fields, whose order on the wire nobody keeps
 * (protobuf encoding, "Maps"). What this version does not know changes nothing that it does.
 * @param owner for whom it is asked. Default: the request alone says.
 */
export function fingerprintOf<S extends DescMessage>(
  schema: S,
  request: MessageShape<S>,
  owner?: object,
): string {
  const content = canonical([toJson(schema, request), owner]);
  return createHash('sha256').update(content).digest('hex');
}
