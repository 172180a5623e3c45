// What a manager tells of itself and of others, as the registry has them.
import type { registry } from '@nsm/api';

export interface ManagerView {
  readonly name: string;
  readonly address: string;
  readonly external: boolean;
  readonly version: string;
  /** `mtls`, or `insecure` for plain text; '' of a manager that does not say. */
  readonly security: string;
  readonly alive: boolean;
  /** The manager is not alive because it was stopped. */
  readonly stopped: boolean;
  /** Its endpoints are out of service. */
  readonly drained: boolean;
}

export function managerView(manager: registry.Manager | undefined): ManagerView {
  const { name = '', address = '', external = false, version = '', security = '' } = manager ?? {};
  return {
    name,
    address,
    external,
    version,
    security,
    alive: manager?.alive ?? false,
    stopped: manager?.stopped ?? false,
    drained: manager?.drained ?? false,
  };
}
