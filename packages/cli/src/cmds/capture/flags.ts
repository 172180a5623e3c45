// What the command line of `nsm capture` says.
export const captureWords = ['client', 'node', 'endpoint', 'underlay', 'all'] as const;

export type CaptureWord = (typeof captureWords)[number];

export interface CaptureFlags {
  readonly runDir: string;
  readonly json?: boolean;
  readonly at: readonly CaptureWord[];
  readonly filter?: string;
  /** A file, or `-`. */
  readonly write?: string;
  readonly count?: number;
  /** Milliseconds. */
  readonly duration?: number;
  /** Bytes that are kept of each packet. */
  readonly snapLength?: number;
}
