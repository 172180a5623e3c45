// The registry that is served here: who writes what into it, and what comes of it.
import { type CallContext, NsmError, type registry as reg, type ServiceImplementation } from '@nsm/api';
import { type Audit, machineFields } from './audit.js';

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
export function audited(audit: Audit, service: Registry): Registry {
  if (!audit.isOn) return service;
  const renewed = new Map<string, string>();
  const wrapped = Object.fromEntries(
    writes.map((name) => {
      const run = service[name].bind(service) as (request: object, context: CallContext) => Promise<object>;
      const write = async (request: object, context: CallContext): Promise<object> => {
        const told = name !== 'registerManager' || isNews(renewed, request as reg.RegisterManagerRequest);
        const line = {
          event: 'registry',
          who: machineFields(context),
          what: { write: name, ...whatOf(request) },
        };
        try {
          const reply = await run(request, context);
          if (told) audit.note({ ...line, outcome: 'written' });
          return reply;
        } catch (thrown) {
          const { code, message } = NsmError.from(thrown);
          audit.note({ ...line, outcome: `refused ${code}`, reason: message });
          throw thrown;
        }
      };
      return [name, write];
    }),
  );
  return { ...(wrapped as unknown as Registry), watch: service.watch.bind(service) };
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

/** Names only: what an endpoint or manager is, the line of the record that was made of it says. */
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
