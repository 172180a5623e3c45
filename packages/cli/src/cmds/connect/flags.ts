// What the command line of `nsm connect` says.
import type { InterfaceOptions } from '@nsm/sdk';

export interface ConnectFlags {
  readonly requestId?: string;
  readonly netns?: string;
  readonly interface: readonly InterfaceOptions[];
  readonly label: readonly (readonly [string, string])[];
  readonly lifetime?: 'namespace' | 'process';
  readonly hold?: boolean;
  readonly dryRun?: boolean;
  readonly runDir: string;
  readonly timeout: number;
  readonly wait: number;
  readonly otlpEndpoint?: string;
  readonly json?: boolean;
}
