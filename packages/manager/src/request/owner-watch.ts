// Connections that end with the process that asked for them: noticed by pidfd, the moment it dies.
import { connect, NsmError, type PeerCredentials } from '@nsm/api';
import { openProcess, Poller, type ProcessHandle } from '@nsm/netlink';
import { outOfSight } from '../admission/pid-namespace.js';
import type { Connection, Owner } from '../state/connection.js';

type OwnerProcess = NonNullable<Owner['process']>;

export class OwnerWatch {
  readonly #onDeath: (connectionIds: readonly string[]) => void;
  readonly #poller = new Poller({ keepAlive: false });
  readonly #open: (pid: number) => ProcessHandle;
  /** By number and start: a process may get the number of one whose end is not told yet. */
  readonly #processes = new Map<
    string,
    { readonly handle: ProcessHandle; readonly connections: Set<string> }
  >();

  /**
   * @param onDeath hears which connections have lost their process.
   * @param open finds a process by its number. Default: by pidfd.
   */
  constructor(
    onDeath: (connectionIds: readonly string[]) => void,
    open: (pid: number) => ProcessHandle = openProcess,
  ) {
    this.#onDeath = onDeath;
    this.#open = open;
  }

  /** The process a request binds its connection to, if it binds it to one. */
  processOf(
    { lifetime }: connect.ConnectionRequest,
    peer: PeerCredentials | undefined,
  ): Pick<Owner, 'process'> {
    if (lifetime !== connect.ConnectionLifetime.PROCESS_LIFETIME || !peer) return {};
    const { pid, startTime } = peer;
    if (pid === 0) throw outOfSight('asks, to end the connection with it');
    if (startTime === undefined)
      throw new NsmError('invalid', `process ${pid}, with which the connection is to end, has ended already`);
    return { process: { pid, startTime } };
  }

  /** Watches over a connection's process until `letGo`; one that has died already is reported at once. */
  hold({ id, owner }: Connection): void {
    if (!owner?.process) return;
    const key = keyOf(owner.process);
    const present = this.#processes.get(key);
    if (present) {
      present.connections.add(id);
      return;
    }
    const handle = this.#openAlive(owner.process);
    if (!handle) {
      this.#onDeath([id]);
      return;
    }
    const connections = new Set([id]);
    this.#processes.set(key, { handle, connections });
    handle.onExit(this.#poller, () => {
      handle.close();
      this.#processes.delete(key);
      this.#onDeath([...connections]);
    });
  }

  letGo({ id, owner }: Connection): void {
    if (!owner?.process) return;
    const key = keyOf(owner.process);
    const watched = this.#processes.get(key);
    if (!watched?.connections.delete(id) || watched.connections.size > 0) return;
    watched.handle.close();
    this.#processes.delete(key);
  }

  stop(): void {
    for (const { handle } of this.#processes.values()) handle.close();
    this.#processes.clear();
    this.#poller.close();
  }

  /** The process itself, not a later one with its number. */
  #openAlive({ pid, startTime }: OwnerProcess): ProcessHandle | undefined {
    try {
      const handle = this.#open(pid);
      if (handle.startTime === startTime) return handle;
      handle.close();
    } catch (error) {
      if (NsmError.from(error).kind === 'exhausted') throw error;
      // The process has gone.
    }
    return undefined;
  }
}

function keyOf({ pid, startTime }: OwnerProcess): string {
  return `${pid}/${startTime}`;
}
