// What a half for another manager would come to, for those who ask before they ask for it: nothing is taken, recorded or told.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { NsmError, type proxy } from '@nsm/api';
import { Steps } from '@nsm/observe';
import { agreedMtu } from '../choice/mtu.js';
import { agreeOnHalf, type HalfRequest } from './agree-on-half.js';
import { addressOfCaller, tunnelsTowards } from './agree-on-tunnel.js';
import type { RequestComponents } from './components.js';

type Reply = MessageInitShape<typeof proxy.PlanProxyConnectionReplySchema>;

export async function planHalf(components: RequestComponents, asked: HalfRequest): Promise<Reply> {
  const said = await tunnelsSaid(components, asked);
  try {
    const unrecorded = { ...components, gate: components.gate.unrecorded };
    const { agreed, tunnel, mtu, endpoint } = await agreeOnHalf(unrecorded, asked, new Steps());
    const { local: address = '', port = 0 } = tunnel?.end ?? {};
    return {
      ...said,
      accepted: true,
      interface: agreed.client,
      endpointInterface: agreed.endpoint,
      ...(tunnel ? { tunnel: { type: tunnel.end.type, parameters: { address, port } } } : {}),
      mtu: agreedMtu(mtu, 0),
      connections: components.connections.countOf(endpoint),
    };
  } catch (thrown) {
    const error = NsmError.from(thrown);
    if (error.kind === 'internal' || error.kind === 'cancelled') throw error;
    return { ...said, accepted: false, admissionError: error.toAdmissionError() };
  }
}

/** Tunnels of this node towards the other, whatever becomes of the rest. */
async function tunnelsSaid(
  components: RequestComponents,
  asked: HalfRequest,
): Promise<Pick<Reply, 'tunnels' | 'missingTunnels'>> {
  const { networkServiceName } = asked.request;
  const remote = addressOfCaller(asked);
  try {
    const { tunnels, obstacles } = await tunnelsTowards(components, remote, networkServiceName, () => true);
    return {
      tunnels: tunnels.map(({ type }) => type),
      missingTunnels: components.abilities.missingCapabilities.tunnelsBut(tunnels, obstacles),
    };
  } catch {
    // Where there is no route, the choice of a tunnel says so.
    return {};
  }
}
