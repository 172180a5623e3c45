// A network namespace of the benchmark's own, with a netlink socket inside and a way to start programs in it.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import {
  createNamespace,
  deleteNamespace,
  NAMESPACE_DIRECTORY,
  type NetworkNamespace,
  openNamespace,
  RouteSocket,
} from '@nsm/netlink';
import { type Cleanup, namePrefix } from './cleanup.js';

export interface Pod {
  /** Under /run/netns. */
  readonly name: string;
  readonly path: string;
  readonly namespace: NetworkNamespace;
  readonly route: RouteSocket;
  /** The fork takes the namespace of the calling thread along, so no other program is needed to enter it. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
}

export function makePod(label: string, cleanup: Cleanup): Pod {
  const name = `${namePrefix}${label}`;
  createNamespace(name);
  cleanup.add(() => deleteNamespace(name));
  const namespace = openNamespace(name);
  const route = RouteSocket.open(namespace);
  cleanup.add(() => {
    route.close();
    namespace.close();
  });
  route.setLink('lo', { up: true });
  return {
    name,
    path: `${NAMESPACE_DIRECTORY}/${name}`,
    namespace,
    route,
    spawn: (command, args, options) => namespace.run(() => spawn(command, [...args], options)),
  };
}
