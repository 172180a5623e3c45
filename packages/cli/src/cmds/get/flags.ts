// What the command line of `nsm get` says.
export const getKinds = [
  'services',
  'endpoints',
  'managers',
  'connections',
  'interfaces',
  'tunnels',
] as const;

/** As `ConnectionView` has them. */
export const connectionStates = ['CONNECTING', 'SYNCED', 'STALE', 'HEALING', 'FAILED', 'CLOSING'] as const;

export type GetKind = (typeof getKinds)[number];

export interface GetFlags {
  readonly output?: 'wide';
  /** Of connections only those to this network service. */
  readonly service?: string;
  /** Of connections only those in these states, in capitals. */
  readonly state: readonly string[];
  readonly runDir: string;
  readonly json?: boolean;
}
