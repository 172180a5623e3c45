// Records of the registry as they come, change and go: the registry tells records, and not whether they were there before.
import type { NetworkServiceEndpoint, registry as reg } from '@nsm/api';
import { endpointKey, type Registry } from '@nsm/registry';

/** A record, as it is now or was last, and what became of it. */
export type RegistryChange = { readonly kind: 'present' | 'changed' | 'removed' } & (
  | { readonly about: 'manager'; readonly record: reg.Manager; readonly former: reg.Manager | undefined }
  | { readonly about: 'endpoint'; readonly record: NetworkServiceEndpoint }
);

/** Calls the listener for each record that there is, and for each change, until what is returned is disposed of. */
export function watchRecords(
  registry: Pick<Registry, 'watch'>,
  listener: (change: RegistryChange) => void,
): Disposable {
  const managers = new Map<string, reg.Manager>();
  const endpoints = new Map<string, NetworkServiceEndpoint>();
  return registry.watch(({ event }) => {
    if (event.case === 'managerPut') {
      const record = event.value;
      const former = managers.get(record.name);
      managers.set(record.name, record);
      listener({ about: 'manager', kind: former ? 'changed' : 'present', record, former });
    } else if (event.case === 'managerRemoved') {
      const record = managers.get(event.value);
      if (managers.delete(event.value) && record)
        listener({ about: 'manager', kind: 'removed', record, former: record });
    } else if (event.case === 'endpointPut') {
      const key = endpointKey(event.value);
      const kind = endpoints.has(key) ? 'changed' : 'present';
      endpoints.set(key, event.value);
      listener({ about: 'endpoint', kind, record: event.value });
    } else if (event.case === 'endpointRemoved') {
      const key = endpointKey(event.value);
      const record = endpoints.get(key);
      if (endpoints.delete(key) && record) listener({ about: 'endpoint', kind: 'removed', record });
    }
  });
}
