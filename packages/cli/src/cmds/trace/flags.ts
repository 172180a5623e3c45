// What the command line of `nsm trace` says.
export interface TraceFlags {
  readonly runDir: string;
  readonly json?: boolean;
}
