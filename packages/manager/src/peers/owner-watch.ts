// Connections that end with the process that asked for them: noticed by pidfd, the moment it dies.
import { connect, NsmError, type PeerCredentials } from '@nsm/api';
import { openProcess, Poller, type ProcessHandle } from '@nsm/netlink';
import { outOfSight } from '../admission/pid-namespace.js';
import type { Connection, Owner } from '../state/connection.js';

export class OwnerWatch {
  readonly #onDeath: (connectionIds: readonly string[]) => void;
  readonly #poller = new Poller({ keepAlive: false });
  readonly #processes = new Map<
    number,
    { readonly handle: ProcessHandle; readonly connections: Set<string> }
  >();

  /** @param onDeath hears which connections have lost their process. */
  constructor(onDeath: (connectionIds: readonly string[]) => void) {
    this.#onDeath = onDeath;
  }

  /** The process a request binds its connection to, if it binds it to one. */
  processOf(
    { lifetime }: connect.ConnectionRequest,
    peer: PeerCredentials | undefined,
  ): Pick<Owner, 'process'> {
    if (lifetime !== connect.ConnectionLifetime.PROCESS_LIFETIME || !peer) return {};
    if (peer.pid === 0) throw outOfSight('asks, to end the connection with it');
    using handle = openProcess(peer.pid);
    return { process: { pid: handle.pid, startTime: handle.startTime } };
  }

  /** Watches over a connection's process until `letGo`; one that has died already is reported at once. */
  hold({ id, owner }: Connection): void {
    if (!owner?.process) return;
    const { pid, startTime } = owner.process;
    const present = this.#processes.get(pid);
    if (present?.handle.startTime === startTime) {
      present.connections.add(id);
      return;
    }
    const handle = openAlive(pid, startTime);
    if (!handle) {
      this.#onDeath([id]);
      return;
    }
    const connections = new Set([id]);
    this.#processes.set(pid, { handle, connections });
    handle.onExit(this.#poller, () => {
      handle.close();
      this.#processes.delete(pid);
      this.#onDeath([...connections]);
    });
  }

  letGo({ id, owner }: Connection): void {
    const pid = owner?.process?.pid;
    const watched = pid === undefined ? undefined : this.#processes.get(pid);
    if (pid === undefined || !watched?.connections.delete(id) || watched.connections.size > 0) return;
    watched.handle.close();
    this.#processes.delete(pid);
  }

  stop(): void {
    for (const { handle } of this.#processes.values()) handle.close();
    this.#processes.clear();
    this.#poller.close();
  }
}

/** The process itself, not a later one with its number. */
function openAlive(pid: number, startTime: number): ProcessHandle | undefined {
  try {
    const handle = openProcess(pid);
    if (handle.startTime === startTime) return handle;
    handle.close();
  } catch (error) {
    if (NsmError.from(error).kind === 'exhausted') throw error;
    // It has gone.
  }
  return undefined;
}
