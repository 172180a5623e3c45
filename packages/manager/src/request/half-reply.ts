// What the client's manager hears of a half that was made for it.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { proxy } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import { reachedThrough } from './sources.js';

export function halfReply({
  crossConnect: { tunnel },
  interface: chosen,
  endpointInterface,
  clientParameters,
  endpointParameters,
  halfId = '',
}: Connection): Reply {
  return {
    accepted: true,
    halfId,
    ...(tunnel
      ? {
          tunnel: {
            type: tunnel.type,
            parameters: {
              address: tunnel.local,
              identifier: tunnel.identifier,
              port: tunnel.port,
              mtu: clientParameters.mtu,
            },
          },
        }
      : {}),
    interface: chosen,
    ...(endpointInterface ? { endpointInterface: { type: endpointInterface.type } } : {}),
    connectionParameters: clientParameters,
    clientSources: reachedThrough(endpointParameters),
  };
}

type Reply = MessageInitShape<typeof proxy.ProxyConnectionReplySchema>;
