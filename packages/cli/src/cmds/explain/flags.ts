// What the command line of `nsm explain` says.
import type { InterfaceOptions } from '@nsm/sdk';

export interface ExplainFlags {
  readonly label: readonly (readonly [string, string])[];
  readonly interface: readonly InterfaceOptions[];
  readonly runDir: string;
  readonly json?: boolean;
}
