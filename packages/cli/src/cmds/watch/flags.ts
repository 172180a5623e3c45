// What the command line of `nsm watch` says.
export interface WatchFlags {
  readonly runDir: string;
  readonly json?: boolean;
}
