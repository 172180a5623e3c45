// How a manager's records are written to its files.
import { create, fromBinary, isMessage, toBinary } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema, state } from '@nsm/api';
import type { Codec } from '@nsm/durable';
import { type Connection, namespaceOfOwner, requestKey } from './connection.js';
import type { Noted } from './connection-histories.js';

/** 1 and 2 are of journals, see earlier-journal.ts; 3: messages of nsmstate.proto. */
const schema = 3;

export const connectionCodec: Codec<Connection> = {
  schema,
  encode: (connection) =>
    toBinary(
      state.ConnectionSchema,
      create(state.ConnectionSchema, { ...connection, pairs: [...connection.pairs] }),
    ),
  decode: (bytes) => scoped(plain(fromBinary(state.ConnectionSchema, bytes)) as Connection),
};

export const endpointCodec: Codec<NetworkServiceEndpoint> = {
  schema,
  encode: (endpoint) => toBinary(NetworkServiceEndpointSchema, endpoint),
  decode: (bytes) => fromBinary(NetworkServiceEndpointSchema, bytes),
};

export const pastCodec: Codec<Noted> = {
  schema,
  encode: (past) =>
    toBinary(state.PastSchema, create(state.PastSchema, { ...past, states: [...past.states] })),
  decode: (bytes) => plain(fromBinary(state.PastSchema, bytes)) as Noted,
};

/** Earlier versions knew owners by their inodes alone, and had one key for all pods. */
function scoped(connection: Connection): Connection {
  const { owner, role, crossConnect, requestId, service } = connection;
  const cookie = crossConnect?.client?.namespace?.cookie;
  if (!owner || owner.cookie !== undefined || role === 'ENDPOINT' || !cookie) return connection;
  const known = { ...owner, cookie };
  return { ...connection, owner: known, key: requestKey(namespaceOfOwner(known), requestId, service) };
}

/** A connection and its own parts are plain data, so that they can be copied with changes; what it has of others are messages. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isMessage(value) || !value.$typeName.startsWith('nsmstate.')) return value;
  const { $typeName, $unknown, ...fields } = value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, plain(field)]));
}
