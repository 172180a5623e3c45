// What the command line of `nsm describe` says.
export const describeKinds = ['manager', 'service', 'endpoint', 'connection', 'tunnel'] as const;

export type DescribeKind = (typeof describeKinds)[number];

export interface DescribeFlags {
  readonly runDir: string;
  readonly json?: boolean;
}
