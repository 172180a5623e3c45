// What the command line of `nsm dashboard` says.
export interface DashboardFlags {
  readonly listen: string;
  /** Empty: the usual one. */
  readonly runDir: readonly string[];
  /** `[NAME@]HOST:PORT` of managers that are asked over TCP. */
  readonly manager: readonly string[];
  readonly allowChanges?: boolean;
  readonly token?: string;
  readonly hostName: readonly string[];
  readonly https?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly pkiDir: string;
  readonly insecure?: boolean;
  readonly json?: boolean;
}
