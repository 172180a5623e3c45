// What an endpoint advertises, in messages that a manager takes: one if they fit, as thousands of services do.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { maxServices } from './bounds.js';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema } from './gen/netmesh_pb.js';
import { type EndpointAdvertiseRequest, EndpointAdvertiseRequestSchema } from './gen/nseconnect_pb.js';

/** Bytes: a little less than the 1 MiB that a manager takes. */
const maxBytes = 1_000_000;
/** Bytes by which a message says where an endpoint in it begins, at most. */
const perEndpoint = 8;

export function advertisementsOf(
  endpoints: readonly MessageInitShape<typeof NetworkServiceEndpointSchema>[],
): EndpointAdvertiseRequest[] {
  const parts: NetworkServiceEndpoint[][] = [];
  let bytes = 0;
  for (const init of endpoints) {
    const endpoint = create(NetworkServiceEndpointSchema, init);
    const size = toBinary(NetworkServiceEndpointSchema, endpoint).length + perEndpoint;
    const part = parts.at(-1);
    if (part && part.length < maxServices && bytes + size <= maxBytes) part.push(endpoint);
    else {
      parts.push([endpoint]);
      bytes = 0;
    }
    bytes += size;
  }
  return parts.map((networkEndpoint) => create(EndpointAdvertiseRequestSchema, { networkEndpoint }));
}
