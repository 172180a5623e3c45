// What the application of a pod that is attached by shared memory has to know.

export interface SharedPort {
  /** As the pod was told them: socket, role, and what else its interface type has. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Hardware address; empty leaves it open. */
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
}
