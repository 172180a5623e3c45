// Whose memory is shared, and how much of it the forwarder may have. A page of a file that nobody has touched is made when the forwarder
// touches it, and is the forwarder's then: all mapped memory counts, whether there is anything in it yet or not.
import { fstatSync } from 'node:fs';
import { ForeignDescriptors, isInMemory, libc, type SharedMemory } from '@nsm/netlink';
import type { MemoryLimits } from '../../memory-limits.js';

const mib = 2 ** 20;

/** The pod and the user that share memory with the forwarder. */
export interface Sharer {
  /** Names the network namespace. */
  readonly pod: string;
  readonly uid: number;
}

/** What one pod shares. */
export interface MemoryShare {
  /**
   * Counts the first bytes of a file in memory, once for each pod however often they are mapped, until what is returned is called.
   * @throws Error when that is more than the pod or its user may have, or the file is not in memory.
   */
  take(fd: number, bytes: number): () => void;
  /** Closes a descriptor that the pod sent, or a socket over which it sends them: that may take as long as the pod likes. */
  letGo(fd: number): void;
  /** So many descriptors wait to be closed that nothing more is to be taken from the pod. */
  readonly isBehind: boolean;
}

/** Counts memory that was made for a pod. @throws Error when that is too much; the memory is closed then. */
export function takeOwn(share: MemoryShare, memory: SharedMemory): () => void {
  try {
    return share.take(memory.fd, memory.bytes.byteLength);
  } catch (error) {
    memory.close();
    throw error;
  }
}

/** For tests, and programs that share memory with themselves. */
export const anyMemory: MemoryShare = { take: () => () => undefined, letGo: libc.close, isBehind: false };

/** Of the pod and of the user that had most: MiB; and how often more was refused. */
export interface MemoryUse {
  readonly most: number;
  readonly mostOfUser: number;
  readonly refused: number;
}

interface File {
  bytes: number;
  uses: number;
}

export class MemoryShares {
  readonly #limits: MemoryLimits;
  readonly #use: Float64Array;
  readonly #files = new Map<string, File>();
  /** Bytes by pod, and by user. */
  readonly #held = new Map<string, number>();
  readonly #descriptors = new ForeignDescriptors();

  /** @param use written as {@link useIn} reads it. */
  constructor(limits: MemoryLimits, use: Float64Array) {
    this.#limits = limits;
    this.#use = use;
  }

  of(sharer: Sharer): MemoryShare {
    const { pod } = sharer;
    const descriptors = this.#descriptors;
    return {
      take: (fd, bytes) => this.#take(sharer, fd, bytes),
      letGo: (fd) => descriptors.close(pod, fd),
      get isBehind() {
        return descriptors.isBehind(pod);
      },
    };
  }

  stop(): void {
    this.#descriptors.stop();
  }

  #take(sharer: Sharer, fd: number, bytes: number): () => void {
    if (!isInMemory(fd)) throw new Error('memory that is no file in memory');
    const { dev, ino } = fstatSync(fd);
    const name = `${sharer.pod} ${dev}:${ino}`;
    const file = this.#files.get(name) ?? { bytes: 0, uses: 0 };
    const more = Math.max(0, bytes - file.bytes);
    this.#require(sharer, more);
    this.#add(sharer, more);
    file.bytes += more;
    file.uses++;
    this.#files.set(name, file);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--file.uses > 0) return;
      this.#files.delete(name);
      this.#add(sharer, -file.bytes);
    };
  }

  #require({ pod, uid }: Sharer, more: number): void {
    const { sharedMemoryMib, userFactor } = this.#limits;
    const user = userName(uid);
    const [ofPod, ofUser] = [(this.#held.get(pod) ?? 0) + more, (this.#held.get(user) ?? 0) + more];
    const limitOfUser = sharedMemoryMib * userFactor;
    const over =
      ofPod > sharedMemoryMib * mib
        ? `limit of a pod: ${sharedMemoryMib}`
        : uid !== 0 && ofUser > limitOfUser * mib
          ? `limit of ${user}: ${limitOfUser}`
          : undefined;
    if (over === undefined) return;
    this.#use[2] = (this.#use[2] ?? 0) + 1;
    // The words that a memif takes are few.
    throw new Error(`${over} MiB of shared memory (--limit sharedMemoryMib)`);
  }

  #add({ pod, uid }: Sharer, bytes: number): void {
    for (const [index, name] of [pod, userName(uid)].entries()) {
      const held = (this.#held.get(name) ?? 0) + bytes;
      if (held > 0) this.#held.set(name, held);
      else this.#held.delete(name);
      this.#use[index] = Math.max(this.#use[index] ?? 0, held);
    }
  }
}

/** Room for what is counted, which another thread may read. */
export const newUse = (): Float64Array =>
  new Float64Array(new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT));

export function useIn([most = 0, mostOfUser = 0, refused = 0]: Float64Array): MemoryUse {
  return { most: Math.ceil(most / mib), mostOfUser: Math.ceil(mostOfUser / mib), refused };
}

function userName(uid: number): string {
  return `user ${uid}`;
}
