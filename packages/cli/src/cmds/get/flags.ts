// What the command line of `nsm get` says.
export const getKinds = [
  'services',
  'endpoints',
  'managers',
  'connections',
  'interfaces',
  'tunnels',
] as const;

export type GetKind = (typeof getKinds)[number];

export interface GetFlags {
  readonly runDir: string;
  readonly json?: boolean;
}
