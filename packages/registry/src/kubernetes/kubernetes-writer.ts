// The writes of a registry, as calls of the Kubernetes API, with failures as a registry's. Several managers may make them at the same time.
import type { RecordWriter } from '../registry.js';
import type { WriteComponents } from './api-writes.js';
import { ClaimWrites, releaseClaims } from './claim-writes.js';
import { EndpointWrites, type KnownPlace } from './endpoint-writes.js';
import { asRegistryError } from './explain.js';
import { type KnownManager, ManagerWrites } from './manager-writes.js';

/** @param known what the registry's own copy says. */
export function kubernetesWriter(
  components: WriteComponents,
  known: {
    readonly placeOf: KnownPlace;
    readonly manager: KnownManager;
    readonly managers: () => number;
  },
): RecordWriter {
  const managers = new ManagerWrites(components, known.manager, known.managers);
  const endpoints = new EndpointWrites(components, known.placeOf);
  const claims = new ClaimWrites(components, known.manager);
  const explained = async <T>(write: Promise<T>): Promise<T> => {
    try {
      return await write;
    } catch (error) {
      throw asRegistryError(components.url, error);
    }
  };
  return {
    registerManager: (manager, leaseMs) => explained(managers.register(manager, leaseMs)),
    removeManager: (name) =>
      explained(
        // The manager last: should this process die in between, the rest is not left to nobody.
        endpoints
          .removeAll(name)
          .then(() => releaseClaims(components.kube, components.home, name))
          .then(() => managers.remove(name)),
      ),
    endLease: (name) => explained(managers.endLease(name)),
    registerEndpoint: (endpoint) => explained(endpoints.register(endpoint)),
    removeEndpoint: (removal) => explained(endpoints.remove(removal)),
    claim: (name, holder) => explained(claims.claim(name, holder)),
    releaseClaim: (name, holder) => explained(claims.release(name, holder)),
  };
}
