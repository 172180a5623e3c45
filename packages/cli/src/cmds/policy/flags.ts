// What the command lines of `nsm policy` say.
import type { InterfaceOptions } from '@nsm/sdk';

export interface PolicyFlags {
  /** A file to be read here; without one the manager is asked. */
  readonly policy?: string;
  readonly runDir: string;
  readonly json?: boolean;
}

export interface PolicyTestFlags extends PolicyFlags {
  readonly action: 'provide' | 'request';
  readonly provider?: string;
  readonly interface: readonly InterfaceOptions[];
}
