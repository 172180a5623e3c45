// The two systems that are compared, behind one face: the real managers and the bare chain.
import { join } from 'node:path';
import { Channel, connect, InterfaceType, type ServiceClient } from '@nsm/api';
import { bareRequestId } from './bare/bare-manager.js';
import { type Kind, type Mesh, services } from './mesh.js';
import type { Program } from './program.js';

/** Opens and closes connections; `n` names the connection, and is never used twice. */
export interface System<Name extends string = Kind> {
  /** Returns the address of the other side. */
  open(kind: Name, n: number, pod: number): Promise<string>;
  close(kind: Name, n: number): Promise<void>;
}

export interface Systems {
  readonly managers: System;
  readonly bare: System;
  /** Only the hops between bare processes that the service names. */
  readonly hops: (service: string) => Promise<void>;
  readonly managerA: Program;
  readonly managerB: Program;
}

const kernel = [{ type: InterfaceType.KERNEL_INTERFACE }];

export async function startSystems(mesh: Mesh): Promise<Systems> {
  const { underlay, folder } = mesh;
  const managerA = await mesh.startManager('bench-a', 'a', 5001, '');
  const managerB = await mesh.startManager('bench-b', 'b', 5001, `nsm://${underlay.a}:5001`);
  await mesh.startEndpoint('bench-endpoint-a', 'bench-a', 'a', services.local);
  await mesh.startEndpoint('bench-endpoint-b', 'bench-b', 'b', services.remote);
  await mesh.waitForService('bench-a', services.remote);

  const other = { a: 'b', b: 'a' } as const;
  for (const node of ['a', 'b'] as const) {
    const endpointSocket = join(folder, `bare-endpoint-${node}.sock`);
    const namespace = mesh.endpoints[node].path;
    await mesh.startBareEndpoint(`bare-endpoint-${node}`, node, { socket: endpointSocket, namespace });
    await mesh.startBareManager(`bare-manager-${node}`, node, {
      socket: join(folder, `bare-${node}.sock`),
      listen: `${underlay[node]}:5002`,
      peer: `${underlay[other[node]]}:5002`,
      endpointSocket,
      local: underlay[node],
      remote: underlay[other[node]],
    });
  }
  const bare = new Channel(`unix:${join(folder, 'bare-a.sock')}`).client(connect.ClientConnection);
  return {
    managers: clientOf(mesh, 'bench-a', services),
    bare: systemOver(mesh, bare, bareRequestId, { local: 'local', remote: 'remote' }),
    hops: async (service) => {
      await bare.requestConnection({ requestId: bareRequestId(0), networkServiceName: service });
    },
    managerA,
    managerB,
  };
}

/** The client's side of a real manager, for network services by the names they have here. */
export function clientOf<Name extends string>(
  mesh: Mesh,
  manager: string,
  names: Readonly<Record<Name, string>>,
): System<Name> {
  const channel = new Channel(`unix:${join(mesh.runDir(manager), 'client.sock')}`);
  return systemOver(mesh, channel.client(connect.ClientConnection), (n) => `bench-${n}`, names);
}

function systemOver<Name extends string>(
  { pods }: Mesh,
  client: ServiceClient<typeof connect.ClientConnection>,
  requestIdOf: (n: number) => string,
  names: Readonly<Record<Name, string>>,
): System<Name> {
  return {
    async open(kind, n, pod) {
      const { accepted, admissionError, connectionParameters } = await client.requestConnection({
        requestId: requestIdOf(n),
        networkServiceName: names[kind],
        linuxNamespace: pods[pod % pods.length]?.path ?? '',
        interface: kernel,
      });
      if (!accepted) throw new Error(admissionError);
      return connectionParameters?.peerAddresses[0] ?? '';
    },
    async close(kind, n) {
      const { accepted, admissionError } = await client.closeConnection({
        requestId: requestIdOf(n),
        networkServiceName: names[kind],
      });
      if (!accepted) throw new Error(admissionError);
    },
  };
}
