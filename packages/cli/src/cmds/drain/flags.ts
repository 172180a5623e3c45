// What the command line of `nsm drain` says.
export interface DrainFlags {
  readonly undo?: boolean;
  readonly runDir: string;
  readonly json?: boolean;
}
