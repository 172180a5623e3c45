// What the command line of `nsm ping` says.
export interface PingFlags {
  readonly runDir: string;
  readonly json?: boolean;
  /** Rounds; undefined: until it is interrupted. */
  readonly count?: number;
  /** Milliseconds between two rounds. */
  readonly interval: number;
  /** Bytes of the packet through the connection; undefined: a small one. */
  readonly size?: number;
  /** Milliseconds within which an answer counts. */
  readonly timeout: number;
}
