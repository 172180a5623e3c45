// Which managers, processes and interfaces belong to the mesh that is asked about: a machine may have those of others.
import type { StatusView } from '../status/status-view.js';
import { type Daemon, listensOn, runDirOf } from './daemons.js';

export class OwnMesh {
  /** Of each manager `NAME ADDRESS`, as it says itself and as others know it. */
  readonly #managers = new Set<string>();
  /** By manager what the ids of its connections begin with; none is known of a manager without connections. */
  readonly #idPrefixes = new Map<string, ReadonlySet<string>>();
  readonly #runDirs = new Set<string>();
  readonly #registryPorts = new Set<string>();

  /**
   * The first manager says which mesh it is.
   * @param named whether the command line names this manager: then it is meant, whatever mesh it is of.
   * @returns false for a manager of another mesh.
   */
  admit({ manager, managers, registry, connections }: StatusView, where: string, named: boolean): boolean {
    if (this.#managers.size > 0 && !named && !this.#managers.has(keyOf(manager))) return false;
    for (const one of [manager, ...managers]) this.#managers.add(keyOf(one));
    const prefixes = connections.map(({ id }) => id.slice(0, id.lastIndexOf('-') + 1));
    this.#idPrefixes.set(manager.name, new Set(prefixes));
    this.#runDirs.add(where);
    for (const [, port = ''] of registry.matchAll(/:(\d+)/g)) this.#registryPorts.add(port);
    return true;
  }

  /** Whether an interface that bears the id of a connection is this mesh's, or may be. */
  hasConnection(id: string): boolean {
    const prefixes = this.#idPrefixes.get(id.slice(0, id.lastIndexOf(':')));
    if (!prefixes) return false;
    return prefixes.size === 0 || prefixes.has(id.slice(0, id.lastIndexOf('-') + 1));
  }

  /** Without a manager that answers nobody knows: all processes are told of. */
  runs(daemon: Daemon): boolean {
    if (this.#managers.size === 0) return true;
    const runDir = runDirOf(daemon);
    if (runDir !== undefined) return this.#runDirs.has(runDir);
    return daemon.command !== 'registry' || listensOn(daemon, this.#registryPorts);
  }
}

function keyOf({ name, address }: { readonly name: string; readonly address: string }): string {
  return `${name} ${address}`;
}
