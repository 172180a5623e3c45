// What one pod may have, unless the operator or a policy says otherwise.
import { defaultMemoryLimits, type MemoryLimits } from '@nsm/forwarder/memory-limits';

/** Of one network namespace. */
export interface Limits extends MemoryLimits {
  /**
   * Each is a device or two, an entry in maps that hold 65,536 tunnels of the whole node, an address of the service's prefix: for all
   * pods, and for none to take away.
   */
  readonly connections: number;
  /** Network services of endpoints. Each is known to every manager. */
  readonly endpoints: number;
  /** Bytes of their records, labels above all. */
  readonly endpointBytes: number;
  /** Sockets that they are served from, to each of which the manager keeps a connection. A process needs one. */
  readonly endpointSockets: number;
  /** Pairs of addresses that this manager has given out: one for each version of IP, and twice as many while a connection is replaced. */
  readonly addressPairs: number;
  /** Routes of its connections, on both sides. One side of one connection may have 16,384. */
  readonly routes: number;
  /** Requests for connections that wait their turn. */
  readonly requests: number;
  /** Watches of connections. A client needs one, for all its connections. */
  readonly watches: number;
  /** Open connections to the manager's unix sockets. A client needs one, for all its calls. */
  readonly sockets: number;
  /** Calls that are under way over those, watches included. */
  readonly streams: number;
  /** Bytes of their requests, and of replies that nobody has taken yet. */
  readonly callBytes: number;
}
export type Limited = Exclude<keyof Limits, 'userFactor'>;
/** The forwarder counts the others. */
export type Counted = Exclude<Limited, 'sharedMemoryMib'>;

export const defaultLimits: Limits = {
  connections: 1024,
  endpoints: 8192,
  endpointBytes: 4 << 20,
  endpointSockets: 256,
  addressPairs: 4096,
  routes: 131_072,
  requests: 1024,
  watches: 128,
  sockets: 256,
  streams: 1024,
  callBytes: 32 << 20,
  ...defaultMemoryLimits,
};
