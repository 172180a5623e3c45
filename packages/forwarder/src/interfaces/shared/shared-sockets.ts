// Where pods of this node meet by a unix socket: a folder for each side of a connection, open to that side's user alone.
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type InterfaceType, NsmError, traitsOf } from '@nsm/api';
import { FolderWatch, libc, Poller } from '@nsm/netlink';
import type { Side } from '../../port/wiring.js';
import { RemovedFolders } from './removed-folders.js';
import { linkSocket, SocketLink } from './socket-link.js';

/** sun_path of unix(7) less its final zero byte. */
const maxSocketPath = 107;

/**
 * Layout: RUN/shared/CONNECTION/client/FILE and …/endpoint/FILE. Others may pass the upper two folders, not list them;
 * the lower ones are their user's and the forwarder's alone, so the sockets' own permissions do not matter.
 */
export class SharedSockets {
  readonly #root: string | undefined;
  readonly #links = new Map<string, SocketLink>();
  readonly #poller = new Poller({ keepAlive: false });
  /** Made with the first link. */
  #folders: FolderWatch | undefined;
  readonly #removed: RemovedFolders | undefined;

  /** @param runDir folder of the manager's sockets; without one there is no place. */
  constructor(runDir: string | undefined) {
    this.#root = runDir === undefined ? undefined : join(runDir, 'shared');
    this.#removed = runDir === undefined ? undefined : new RemovedFolders(join(runDir, '.removed'));
  }

  /** What is missing here for sockets of a type, found by trying; '' when it works. */
  missing(type: InterfaceType): string {
    if (this.#root === undefined) return 'the forwarder was given no run directory to place sockets in';
    const probe = '0'.repeat(16);
    const socket = this.#pathOf(probe, 'endpoint', type);
    if (Buffer.byteLength(socket) > maxSocketPath)
      return `${socket} is longer than a socket's path may be (${maxSocketPath} bytes): choose a shorter --run-dir`;
    try {
      const uid = process.getuid?.() ?? 0;
      makeEmptySocket(this.place(probe, 'endpoint', type, uid));
      linkSocket(socket, this.place(probe, 'client', type, uid));
      return '';
    } catch (error) {
      return `sockets cannot be shared in ${this.#root}: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      this.release(probe);
    }
  }

  /**
   * Makes a side's folder exist.
   * @returns the path that the side's socket will have.
   * @throws NsmError `disk`, `exhausted`, `dataplane`
   */
  place(id: string, side: Side, type: InterfaceType, uid: number): string {
    const socket = this.#pathOf(id, side, type);
    try {
      const folder = join(this.#folderOf(id), side);
      mkdirSync(folder, { recursive: true });
      chmodSync(this.#root ?? '', 0o711);
      chmodSync(this.#folderOf(id), 0o711);
      // To the group of this process as well, which has no other way in when it is not root.
      chmodSync(folder, 0o770);
      if (statSync(folder).uid !== uid) chownSync(folder, uid, -1);
      return socket;
    } catch (error) {
      const { kind, message } = NsmError.from(error);
      throw new NsmError(
        kind === 'internal' ? 'dataplane' : kind,
        `cannot make the folder of ${socket}: ${message}`,
        error,
      );
    }
  }

  /** From now on the client's side reaches whatever socket the endpoint's side makes. Links that were removed are made again. */
  join(id: string, type: InterfaceType): void {
    const present = this.#links.get(id);
    if (present?.mend()) return;
    present?.close();
    const [endpoint, client] = [this.#pathOf(id, 'endpoint', type), this.#pathOf(id, 'client', type)];
    this.#folders ??= new FolderWatch(this.#poller);
    this.#links.set(id, new SocketLink(endpoint, client, this.#folders));
  }

  /** Removes the folders of a connection; what is in them goes by and by. Harmless when there are none. */
  release(id: string): void {
    this.#links.get(id)?.close();
    this.#links.delete(id);
    if (this.#root !== undefined && hashPattern.test(hashOf(id)))
      this.#removed?.take(join(this.#root, hashOf(id)), ['client', 'endpoint']);
  }

  /** Ids of the connections that have folders; all of them are connections of the manager whose run directory this is. */
  ids(prefix: string): string[] {
    try {
      return readdirSync(this.#root ?? '')
        .filter((connection) => hashPattern.test(connection))
        .map((connection) => `${prefix}${connection}`);
    } catch {
      // None was ever placed.
      return [];
    }
  }

  /** Folders and what is in them stay. */
  async stop(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#folders?.[Symbol.dispose]();
    this.#poller.close();
    await this.#removed?.stop();
  }

  #folderOf(id: string): string {
    if (this.#root === undefined) throw new NsmError('dataplane', 'the forwarder was given no run directory');
    if (!hashPattern.test(hashOf(id)))
      throw new NsmError('invalid', `${JSON.stringify(id)} is no id of a connection`);
    return join(this.#root, hashOf(id));
  }

  #pathOf(id: string, side: Side, type: InterfaceType): string {
    const file = traitsOf(type).sharedMemory?.socketFile;
    if (file === undefined) throw new NsmError('invalid', `interface type ${type} has no socket`);
    return join(this.#folderOf(id), side, file);
  }
}

const hashPattern = /^[0-9a-f]{16}$/;

/** What follows the prefix of an id, also of those that ids() finds. */
function hashOf(id: string): string {
  return id.slice(id.lastIndexOf('-') + 1);
}

/** A socket without a listener: enough to try links with. */
function makeEmptySocket(path: string): void {
  const address = Buffer.alloc(2 + maxSocketPath + 1);
  address.writeUInt16LE(libc.AF_UNIX, 0);
  address.write(path, 2);
  const fd = libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  const result = fd < 0 ? fd : libc.bind(fd, address, address.length);
  if (fd >= 0) libc.close(fd);
  if (result < 0) throw new Error(`bind ${path}: ${libc.errorText(-result)}`);
}
