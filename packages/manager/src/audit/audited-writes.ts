// The registry that is served here: who writes what into it, and what comes of it.
import type { registry as reg, ServiceImplementation } from '@nsm/api';
import { type Audit, machineFields } from './audit.js';
import { heardCalls } from './heard-calls.js';

type Registry = ServiceImplementation<typeof reg.Registry>;
type Write = Exclude<keyof Registry, 'watch'>;

const writes: readonly Write[] = [
  'registerManager',
  'removeManager',
  'endLease',
  'registerEndpoint',
  'removeEndpoint',
  'writeEndpoints',
  'claim',
  'releaseClaim',
];

/** The same service; each write by another manager is a line. A lease that is only renewed is none. */
export function auditedWrites(audit: Audit, service: Registry): Registry {
  if (!audit.isOn) return service;
  const renewed = new Map<string, string>();
  return heardCalls(service, (name, request, context, error) => {
    if (!writes.some((write) => write === name)) return;
    if (!error && name === 'registerManager' && !isNews(renewed, request as reg.RegisterManagerRequest))
      return;
    audit.note({
      event: 'registry',
      who: machineFields(context),
      what: { write: name, ...whatOf(request) },
      outcome: error ? `refused ${error.code}` : 'written',
      reason: error?.message ?? '',
    });
  });
}

function isNews(renewed: Map<string, string>, { manager }: reg.RegisterManagerRequest): boolean {
  const { name = '', address = '', drained = false } = manager ?? {};
  const record = `${address} ${drained}`;
  if (renewed.get(name) === record) return false;
  // Names are others' words: as many as a mesh has nodes, and no more.
  if (renewed.size > 4096) renewed.clear();
  renewed.set(name, record);
  return true;
}

/** The names in a request; the line of the record that came of the request tells the rest. */
function whatOf(request: object): Record<string, unknown> {
  const {
    $typeName,
    $unknown,
    manager,
    endpoint,
    writes: several,
    ...fields
  } = request as Record<string, unknown>;
  const named = (endpoint ?? {}) as Record<string, unknown>;
  return {
    ...fields,
    ...(manager ? { name: (manager as { name: string }).name } : {}),
    ...(endpoint ? { service: named.networkServiceName, endpoint: named.nseProviderName } : {}),
    ...(Array.isArray(several) ? { writes: several.length } : {}),
  };
}
