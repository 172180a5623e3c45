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

/** Where programs are started. */
export interface Place {
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
}

/** The network of this machine, from which clusters are reached. */
export const thisMachine: Place = { spawn };

/** `spawn`: the fork takes the namespace of the calling thread along, so no other program is needed to enter it. */
export interface Pod extends Place {
  /** Under /run/netns. */
  readonly name: string;
  readonly path: string;
  readonly namespace: NetworkNamespace;
  readonly route: RouteSocket;
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
