// What the command line of `nsm disconnect` says.
export interface DisconnectFlags {
  readonly requestId?: string;
  readonly id?: string;
  readonly netns?: string;
  readonly runDir: string;
  readonly timeout: number;
  readonly json?: boolean;
}
