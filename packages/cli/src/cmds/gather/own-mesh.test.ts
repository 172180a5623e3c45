// What an archive has of a machine that is part of several meshes.
import { create } from '@bufbuild/protobuf';
import { admin } from '@nsm/api';
import { expect, it } from 'vitest';
import { type StatusView, statusView } from '../status/status-view.js';
import { type Daemon, withoutSecrets } from './daemons.js';
import { OwnMesh } from './own-mesh.js';

const viewOf = (
  name: string,
  address: string,
  ids: readonly string[],
  others: readonly string[] = [],
): StatusView =>
  statusView({
    status: create(admin.ManagerStatusSchema, {
      manager: { name, address },
      registry: 'nsm://10.0.0.9:5000',
    }),
    managers: create(admin.ListManagersReplySchema, {
      managers: others.map((other) => ({ name: other, address: `${other}:5001` })),
    }),
    services: create(admin.ListServicesReplySchema),
    endpoints: create(admin.ListEndpointsReplySchema),
    connections: create(admin.ListConnectionsReplySchema, { connections: ids.map((id) => ({ id })) }),
    refusals: create(admin.ListRefusalsReplySchema),
  });
const daemon = (command: string, ...words: string[]): Daemon => ({
  pid: 1,
  uid: 0,
  command,
  arguments: words,
  environment: {},
  memoryKib: 0,
  threads: 1,
  descriptors: 0,
  bpfMaps: [],
});

it('one mesh is told of: managers that know each other, their processes, and their interfaces', () => {
  const mesh = new OwnMesh();
  expect(mesh.admit(viewOf('a', 'a:5001', ['a:11-1'], ['b']), '/run/a', false)).toBe(true);
  expect(mesh.admit(viewOf('b', 'b:5001', []), '/run/b', false)).toBe(true);
  // Another mesh has the same names.
  expect(mesh.admit(viewOf('b', 'b.other:5001', ['b:33-1']), '/run/other', false)).toBe(false);
  expect(['a:11-2', 'a:22-1', 'b:44-1', 'c:11-1'].map((id) => mesh.hasConnection(id))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  const running = [
    daemon('manager', '--run-dir', '/run/b'),
    daemon('endpoint', 'gateway', '--run-dir=/run/other'),
    daemon('registry', '--listen', '0.0.0.0:5000'),
    daemon('registry', '--listen', '0.0.0.0:5009'),
  ];
  expect(running.map((one) => mesh.runs(one))).toEqual([true, false, true, false]);
  // Whoever names a manager means it.
  expect(mesh.admit(viewOf('c', 'c:5001', []), '/run/c', true)).toBe(true);
});

it('all processes are told of where no manager answers', () =>
  expect(new OwnMesh().runs(daemon('endpoint', '--run-dir', '/run/x'))).toBe(true));

it('a process of any user is told of without its secrets', () => {
  const environment = { NSM_JOIN: 'abc@10.0.0.1:5001', NSM_ETCD_PASSWORD: 'abc', NSM_NAME: 'a' };
  const told = withoutSecrets({
    ...daemon('manager', '--join', 'abc@host:1', '--token=abc', '--name', 'a'),
    environment,
  });
  expect(told.arguments).toEqual(['--join', '(left out)', '--token=(left out)', '--name', 'a']);
  expect(told.environment).toEqual({
    NSM_JOIN: '(left out)',
    NSM_ETCD_PASSWORD: '(left out)',
    NSM_NAME: 'a',
  });
});
