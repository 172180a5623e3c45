// The floor's endpoint: answers at once, with the namespace it was told and nothing else.
import { endpoint, Server } from '@nsm/api';

export interface BareEndpointOptions {
  readonly socket: string;
  /** Path of the namespace it names in its replies. */
  readonly namespace: string;
}

export async function serveBareEndpoint({ socket, namespace }: BareEndpointOptions): Promise<void> {
  const server = new Server().add(endpoint.EndpointConnection, {
    async requestEndpointConnection({ requestId, networkServiceName }) {
      return { requestId, networkServiceName, linuxNamespace: namespace };
    },
    async closeEndpointConnection() {
      return {};
    },
  });
  await server.listenUnix(socket);
}
