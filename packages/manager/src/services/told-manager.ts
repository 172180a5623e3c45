// A manager as operators are told of it: its parts, its certificate, and what is used of its limits.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type admin, type forwarder as fw, NsmError } from '@nsm/api';
import type { ServiceComponents } from './components.js';
import { withinPatience } from './within-patience.js';

export async function toldManager(
  components: ServiceComponents,
): Promise<MessageInitShape<typeof admin.ManagerStatusSchema>> {
  const forwarder = await capabilitiesOf(components);
  return {
    ...forwarder,
    manager: {
      name: components.self.name,
      address: components.self.address,
      version: components.self.version,
      security: components.self.security,
      alive: true,
      drained: components.catalogue.drained,
    },
    ...certificateOf(components),
    stateDir: components.places.stateDir,
    stateStandIn: components.places.state === components.places.stateDir ? '' : components.places.state,
    stateError: (await components.readiness.missing()).get('state') ?? '',
    listen: components.places.listen,
    registry: components.registry.url,
    registrySynced: components.registry.synced,
    connections: components.connections.size,
    endpoints: components.endpoints.size,
    addressPairs: components.pools.size,
    tunnelIdentifiers: components.identifiers.size,
    policy: components.source.path,
    policyError: components.source.error,
    auditLog: components.auditLog?.path ?? '',
    auditLost: BigInt(components.auditLog?.lost ?? 0),
    onlyTunnels: [...components.tunnels].map(([service, types]) => ({ service, types: [...types] })),
    limits: components.shares.uses(forwarder.capabilities?.memory),
  };
}

export async function capabilitiesOf(
  components: ServiceComponents,
): Promise<{ readonly capabilities?: fw.Capabilities; readonly forwarderError: string }> {
  try {
    return {
      capabilities: await withinPatience(components.forwarder.getCapabilities({})),
      forwarderError: '',
    };
  } catch (error) {
    return { forwarderError: NsmError.from(error).message };
  }
}

/** Nothing in plain text. */
function certificateOf({ credentials }: ServiceComponents) {
  if (!credentials) return {};
  const { source, validUntil, trouble, endsSoon, current } = credentials;
  return {
    certificateSource: source,
    certificateUntil: timestampFromMs(validUntil.getTime()),
    certificateChain: current.chain,
    certificateAuthorities: [...current.authorities.values()].flat().join(''),
    certificateError: trouble,
    certificateEndsSoon: endsSoon,
  };
}
