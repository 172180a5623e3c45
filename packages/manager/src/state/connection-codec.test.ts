// Every field of a connection is written, and read as it was.
import { create } from '@bufbuild/protobuf';
import {
  ConnectionParametersSchema,
  connect,
  forwarder as fw,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  SubjectSchema,
  TunnelType,
} from '@nsm/api';
import { expect, it } from 'vitest';
import type { Connection, Intent, Phase } from './connection.js';
import { connectionCodec } from './connection-codec.js';

const full: Required<Connection> = {
  id: 'node-a:1-0123456789abcdef',
  key: 'service/pod',
  role: 'CLIENT',
  requestId: 'pod',
  service: 'service',
  fingerprint: 'abc',
  generation: 3,
  owner: { namespace: 4026532208, cookie: 2n ** 63n, process: { pid: 4194304, startTime: 2 ** 40 } },
  replaces: { id: 'node-a:1-other', interfaceName: 'nsm0' },
  request: create(connect.ConnectionRequestSchema, { requestId: 'pod', networkServiceName: 'service' }),
  endpoint: { name: 'one', namespace: 'default' },
  peer: { manager: 'node-b', address: '10.0.0.2:5001', connectionId: 'node-b:2-0123456789abcdef' },
  halfId: '',
  clientKey: 'c1',
  servedAs: 'pod-0123456789abcdef',
  interface: create(InterfaceSchema, {
    type: InterfaceType.KERNEL_INTERFACE,
    preference: InterfacePreference.FIRST,
    parameters: { interfaceParameters: { name: 'nsm0' } },
  }),
  endpointInterface: create(InterfaceSchema, { type: InterfaceType.MEM_INTERFACE }),
  clientParameters: create(ConnectionParametersSchema, { addresses: ['10.60.0.1/31'], mtu: 1450 }),
  endpointParameters: create(ConnectionParametersSchema, { addresses: ['10.60.0.0/31'] }),
  crossConnect: create(fw.CrossConnectSchema, { id: 'node-a:1-0123456789abcdef', client: { name: 'nsm0' } }),
  tunnel: { type: TunnelType.VXLAN, identifier: 0xff_ffff },
  pairs: [{ client: '10.60.0.1/31', endpoint: '10.60.0.0/31', prefix: '10.60.0.0/31' }],
  intent: { kind: 'connected' },
  phase: { kind: 'UP' },
  since: 1_796_000_000_123,
  client: create(SubjectSchema, { netns: 'red', uid: 0, labels: { tenant: 'red' } }),
  provider: create(SubjectSchema, { inode: 4026532209, trusted: true }),
};
const again = (connection: Connection): Connection =>
  connectionCodec.decode(connectionCodec.encode(connection), connectionCodec.schema);

it('a record keeps every field', () => {
  expect(again(full)).toStrictEqual(full);
  expect(again(again(full))).toStrictEqual(full);
});

it('a record keeps absent fields absent', () => {
  const { owner, replaces, request, peer, halfId, endpointInterface, tunnel, client, provider, ...least } =
    full;
  expect(again({ ...least, pairs: [] })).toStrictEqual({ ...least, pairs: [] });
  expect(again({ ...least, owner: { namespace: 1 } }).owner).toStrictEqual({ namespace: 1 });
});

it('a record keeps every phase and intent', () => {
  const phases: Phase[] = [
    { kind: 'CONNECTING' },
    { kind: 'UP', contested: 'a', contestedThere: '' },
    { kind: 'WAITING', reason: '', attempt: 0 },
    { kind: 'DETACHING', reason: 'gone' },
    { kind: 'LOST', reason: 'gone', attempt: 1 },
    { kind: 'LOST', reason: 'gone', attempt: 2, failure: 'no endpoint' },
    { kind: 'REMOVED' },
  ];
  const intents: Intent[] = [
    { kind: 'connected' },
    { kind: 'closed', reason: 'by its client', tell: 'reconnect' },
  ];
  for (const phase of phases)
    for (const intent of intents)
      expect(again({ ...full, phase, intent })).toStrictEqual({ ...full, phase, intent });
});
