// What the command line of `nsm registry` says.
export interface RegistryFlags {
  readonly listen: string;
  readonly store: string;
  readonly stateDir: string;
  readonly logLevel: string;
}
