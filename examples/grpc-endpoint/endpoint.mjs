// An endpoint without the SDK: what any language with gRPC does. docs/writing-an-endpoint.md goes through it.
import { chmodSync, readlinkSync, rmSync } from 'node:fs';
import { credentials, loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [protoDir = 'proto', runDir = '/run/nsm', socket = `${runDir}/endpoints/plain-1.sock`] =
  process.argv.slice(2);
const { nseconnect } = loadPackageDefinition(
  loadSync('nseconnect.proto', { includeDirs: [protoDir], keepCase: true, enums: String }),
);

// 1. Serve EndpointConnection on a unix socket. The answer to each connection names the endpoint's network namespace.
const server = new Server();
server.addService(nseconnect.EndpointConnection.service, {
  RequestEndpointConnection: ({ request: { request_id, network_service_name } }, reply) =>
    reply(null, {
      request_id,
      network_service_name,
      linux_namespace: /\d+/.exec(readlinkSync('/proc/self/ns/net'))[0],
    }),
  CloseEndpointConnection: (_call, reply) => reply(null, {}),
});
rmSync(socket, { force: true });
await new Promise((resolve, reject) => {
  server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
    error ? reject(error) : resolve(),
  );
});
chmodSync(socket, 0o666); // The manager may be another user.

// 2. Advertise.
const manager = new nseconnect.EndpointOperations(
  `unix:${runDir}/endpoint.sock`,
  credentials.createInsecure(),
  {
    'grpc.default_authority': 'localhost',
  },
);
const service = {
  network_service_name: 'plain',
  nse_provider_name: 'plain-1',
  socket_location: socket,
  interface: [{ type: 'KERNEL_INTERFACE' }],
};
manager.AdvertiseEndpoint({ network_endpoint: [service] }, (error, reply) => {
  if (error ?? !reply.accepted) throw error ?? new Error(reply.admission_error);
  console.log('advertised');
});
