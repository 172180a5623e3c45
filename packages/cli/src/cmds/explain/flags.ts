// What the command line of `nsm explain` says.
import type { InterfaceOptions } from '@nsm/sdk';

export interface ExplainFlags {
  readonly label: readonly (readonly [string, string])[];
  readonly interface: readonly InterfaceOptions[];
  /** Network namespace or pod that would ask. */
  readonly from?: string;
  /** For whom, such as netns=red,uid=1000. */
  readonly as?: string;
  readonly runDir: string;
  readonly json?: boolean;
}
