// What the command line of `nsm watch` says.
export const watchTopics = ['connections', 'endpoints', 'managers', 'policy', 'limits'] as const;

export type WatchTopic = (typeof watchTopics)[number];

export interface WatchFlags {
  readonly only: readonly WatchTopic[];
  readonly runDir: string;
  readonly json?: boolean;
}
