// What a request asks for, in short: a client that asks again for the same gets what it has.
import { createHash } from 'node:crypto';
import { create, type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type connect, InterfaceParametersSchema, LabelSchema } from '@nsm/api';
import { canonical } from '../canonical.js';
import { inOrderOfPreference } from '../choice/negotiation.js';

/**
 * The same for requests that ask for the same, whatever the order of their map fields, whose order on the wire is not
 * kept (protobuf encoding, "Maps"). Fields that this version does not know count for nothing.
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

/**
 * A client's request in one way of several to write the same: interfaces stand in order of preference, and messages that may be left
 * out are there.
 */
export function inNormalForm(request: connect.ConnectionRequest): connect.ConnectionRequest {
  return {
    ...request,
    labels: request.labels ?? create(LabelSchema),
    interface: inOrderOfPreference(request.interface).map((one) => ({
      ...one,
      parameters: one.parameters ?? create(InterfaceParametersSchema),
    })),
  };
}
