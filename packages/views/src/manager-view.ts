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
  /** It shares connections with the manager that tells, and does not answer it. */
  readonly silent: boolean;
  /** Its endpoints are out of service. */
  readonly drained: boolean;
}

/** @param silent names of managers that do not answer. Default: none. */
export function managerView(
  manager: registry.Manager | undefined,
  silent: readonly string[] = [],
): ManagerView {
  const { name = '', address = '', external = false, version = '', security = '' } = manager ?? {};
  return {
    name,
    address,
    external,
    version,
    security,
    alive: manager?.alive ?? false,
    stopped: manager?.stopped ?? false,
    silent: silent.includes(name),
    drained: manager?.drained ?? false,
  };
}
