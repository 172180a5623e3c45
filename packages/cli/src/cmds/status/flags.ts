// What the command line of `nsm status` says.
export interface StatusFlags {
  readonly runDir: string;
  readonly json?: boolean;
  /** Milliseconds; undefined: the state as it is now. */
  readonly wait?: number;
}
