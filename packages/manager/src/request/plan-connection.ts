// How a client would be joined to one endpoint, found out as a request finds it out, up to the first step that takes something.
import {
  type forwarder as fw,
  type NetworkServiceEndpoint,
  NsmError,
  type proxy,
  type Subject,
} from '@nsm/api';
import { inTheWayOf, prefixesThere } from '../addresses/allocation.js';
import type { Wanted } from '../choice/checks.js';
import { agreedMtu } from '../choice/mtu.js';
import type { AgreedInterfaces } from '../choice/negotiation.js';
import { byPreference } from '../choice/physical-networks.js';
import { offerTo, proposing } from './ask-manager.js';
import type { RequestComponents } from './components.js';
import { agreeLocally, mtuOnNode, refuseOwnPod } from './local-connection.js';

/** Milliseconds within which another manager must answer: that it does not may be what is to be seen. */
const patienceMs = 2000;

export interface Planned {
  readonly agreed: AgreedInterfaces;
  /** Undefined on one node, or where a physical network joins the two. */
  readonly tunnel?: Pick<fw.TunnelEnd, 'type' | 'local' | 'remote' | 'port'>;
  /** Bytes. */
  readonly mtu: number;
}

/** What another manager said, also where it would refuse. */
export type Heard = (reply: proxy.PlanProxyConnectionReply) => void;

/** How an endpoint is asked about. */
interface Asking {
  /** Those of the client's interfaces that the policy allows. */
  readonly interfaces: Wanted['interfaces'];
  /** The client's; undefined where it is not known who asks. */
  readonly namespace: fw.Namespace | undefined;
  readonly heard: Heard;
}

/** @throws NsmError what a request would fail with. */
export async function planConnection(
  components: RequestComponents,
  wanted: Wanted & { readonly client: Subject | undefined },
  endpoint: NetworkServiceEndpoint,
  { interfaces, namespace, heard }: Asking,
): Promise<Planned> {
  const local = endpoint.networkServiceHost === components.self.name;
  let failure: NsmError | undefined;
  for (const turn of byPreference(interfaces, endpoint.interface, components.abilities.physical)) {
    try {
      if (!local)
        return await planRemotely(components, wanted, endpoint, { interfaces: turn, namespace, heard });
      const agreed = agreeLocally(turn, endpoint, components);
      refuseOwnPod(endpoint.nseProviderName, agreed, namespace, components.endpoints.namespaceOf(endpoint));
      return { agreed, mtu: agreedMtu(mtuOnNode(agreed), 0) };
    } catch (thrown) {
      failure ??= NsmError.from(thrown);
    }
  }
  throw failure ?? new NsmError('internal', 'no interface was tried');
}

async function planRemotely(
  components: RequestComponents,
  { service, labels, client }: Wanted,
  endpoint: NetworkServiceEndpoint,
  { interfaces: asked, namespace, heard }: Asking,
): Promise<Planned> {
  const { self, peers } = components;
  const manager = endpoint.networkServiceHost;
  const { address, tunnels, interfaces } = await offerTo(components, manager, service, asked);
  const reply = await peers.plan(
    { manager, address },
    {
      requestId: 'plan',
      networkServiceName: service,
      nseProviderName: endpoint.nseProviderName,
      nseProviderNamespace: endpoint.nseProviderNamespace,
      tunnelType: tunnels.map((tunnel) => proposing(tunnel, [])),
      clientManagerName: self.name,
      clientManagerAddress: self.address,
      interface: [...interfaces],
      excludedPrefixes: inTheWayOf(prefixesThere(components, endpoint), namespace?.prefixes ?? []),
      ...(client ? { client } : {}),
      ...(labels ? { labels } : {}),
    },
    patienceMs,
  );
  heard(reply);
  if (!reply.accepted) {
    const refusal = NsmError.fromAdmissionError(reply.admissionError, 'manager-refused');
    throw new NsmError(refusal.kind, `manager "${manager}": ${refusal.message}`, refusal);
  }
  const { interface: ours, endpointInterface: theirs, tunnel, mtu } = reply;
  if (!ours || !theirs) throw new NsmError('manager-refused', `manager "${manager}" told no interface`);
  const end = tunnel && {
    type: tunnel.type,
    local: tunnels.find(({ type }) => type === tunnel.type)?.parameters?.address ?? '',
    remote: tunnel.parameters?.address ?? '',
    port: tunnel.parameters?.port ?? 0,
  };
  return { agreed: { client: ours, endpoint: theirs }, mtu, ...(end ? { tunnel: end } : {}) };
}
