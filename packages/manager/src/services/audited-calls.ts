// What pods, other managers and operators ask for: a line of the audit log for each call that is refused, whatever refuses it.
import type { Audit } from '../audit/audit.js';
import { heardCalls } from '../audit/heard-calls.js';
import { type CallerComponents, whoCalls } from './who-calls.js';

export interface AuditedComponents extends CallerComponents {
  readonly audit: Pick<Audit, 'isOn' | 'note'>;
}

/**
 * The same service.
 * @param orders methods of which a call that is accepted is a line, too: what they do is no change that another line tells.
 */
export function auditedCalls<S extends object>(
  components: AuditedComponents,
  service: S,
  orders: readonly (keyof S & string)[] = [],
): S {
  const { audit } = components;
  if (!audit.isOn) return service;
  return heardCalls(service, (call, request, context, error) => {
    // A caller that went away was not refused.
    if (error ? error.kind === 'cancelled' : !orders.some((order) => order === call)) return;
    audit.note({
      event: 'call',
      who: whoCalls(components, context),
      what: { call, ...namesIn(request) },
      outcome: error ? `refused ${error.code}` : 'accepted',
      reason: error?.message ?? '',
    });
  });
}

/** How a line names what a request says. Of parameters, labels and interfaces nothing is told. */
const names: Readonly<Record<string, string>> = {
  networkServiceName: 'service',
  requestId: 'request',
  nseProviderName: 'endpoint',
  nseProviderNamespace: 'namespace',
  connectionId: 'connection',
  id: 'connection',
  clientManagerName: 'manager',
  managerName: 'manager',
};
/** Characters of a name: a refused request may say anything. */
const maxName = 253;

function namesIn(request: object): Record<string, string | number> {
  const said = Object.entries(request).flatMap(([field, value]) => {
    const name = names[field];
    return name && typeof value === 'string' && value !== '' ? [[name, value.slice(0, maxName)]] : [];
  });
  const { networkEndpoint = [], half } = request as {
    readonly networkEndpoint?: readonly object[];
    readonly half?: object;
  };
  const [first] = networkEndpoint;
  return {
    ...(Object.fromEntries(said) as Record<string, string>),
    ...(first ? namesIn(first) : {}),
    ...(half ? namesIn(half) : {}),
    ...(networkEndpoint.length > 1 ? { endpoints: networkEndpoint.length } : {}),
  };
}
