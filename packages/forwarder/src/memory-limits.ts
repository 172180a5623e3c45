// How much of the memory of applications may become the forwarder's.

export interface MemoryLimits {
  /** MiB of one pod. */
  readonly sharedMemoryMib: number;
  /** A user other than root may have so many times as much, in all pods. */
  readonly userFactor: number;
}

/** Two huge pages of 1 GiB, with something beside them, for DPDK. */
export const defaultMemoryLimits: MemoryLimits = { sharedMemoryMib: 2560, userFactor: 4 };
