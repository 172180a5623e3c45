// What the command line of `nsm bench` says.
export interface BenchFlags {
  readonly runDir: string;
  readonly json?: boolean;
  /** Milliseconds of each measurement. */
  readonly duration: number;
}
