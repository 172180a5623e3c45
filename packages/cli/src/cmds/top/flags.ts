// What the command line of `nsm top` says.
export const orders = ['rx', 'tx', 'drops', 'service'] as const;

export type Order = (typeof orders)[number];

export interface TopFlags {
  readonly runDir: string;
  readonly json?: boolean;
  /** Milliseconds between two looks. */
  readonly interval: number;
  /** Ends after so many tables; undefined: when it is interrupted. */
  readonly count?: number;
  readonly sort: Order;
}
