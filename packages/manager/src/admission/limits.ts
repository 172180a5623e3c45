// What one pod may have, unless the operator says otherwise.

/** Of one network namespace. A user other than root may have `userFactor` times as much, in however many namespaces. */
export interface Limits {
  /**
   * Each is a device or two, an entry in maps that hold 65,536 tunnels of the whole node, an address of the service's prefix: for all
   * pods, and for none to take away.
   */
  readonly connections: number;
  /** Network services of endpoints. Each is known to every manager. */
  readonly endpoints: number;
  /** Bytes of their records, labels above all. */
  readonly endpointBytes: number;
  /** Watches of connections. A client needs one, for all its connections. */
  readonly watches: number;
}
export type Limited = keyof Limits;

export const defaultLimits: Limits = {
  connections: 1024,
  endpoints: 8192,
  endpointBytes: 4 << 20,
  watches: 128,
};
