// Where a manager is called: by other managers on TCP, by pods and operators on unix sockets.
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  admin,
  betweenMachines,
  connect,
  endpoint,
  NsmError,
  proxy,
  registry as reg,
  Server,
  type ServerOptions,
  withPods,
} from '@nsm/api';
import { openerOf, refuseDescriptors } from '@nsm/netlink';
import { auditedWrites } from '../audit/audited-writes.js';
import type { ManagerOptions } from '../manager-options.js';
import { adminService } from '../services/admin-service.js';
import { auditedCalls } from '../services/audited-calls.js';
import { clientService } from '../services/client-service.js';
import type { ServiceComponents } from '../services/components.js';
import { endpointService } from '../services/endpoint-service.js';
import { inspectionService } from '../services/inspection-service.js';
import { operatorService } from '../services/operator-service.js';
import { proxyService } from '../services/proxy-service.js';
import { whoCalls } from '../services/who-calls.js';
import { showToPods } from './sockets-for-pods.js';
import type { Stops } from './stops.js';

/** Serves other managers, operators, and the registry where it is here. @returns the port that is listened on. */
export async function listenTcp(
  services: ServiceComponents,
  { listen, insecureOperators = false }: Pick<ManagerOptions, 'listen' | 'insecureOperators'>,
  stops: Stops,
): Promise<number> {
  const server = newServer(services, stops, betweenMachines)
    .add(proxy.ProxyConnection, auditedCalls(services, proxyService(services)))
    .add(
      proxy.HalfInspection,
      auditedCalls(services, inspectionService(services), ['captureHalf', 'serveBench']),
    );
  if (services.registry.service)
    server.add(reg.Registry, auditedWrites(services.audit, services.registry.service));
  const { credentials } = services;
  // In plain text every caller counts as an operator.
  if (credentials || insecureOperators)
    server.add(admin.Admin, auditedCalls(services, operatorService(adminService(services))), ['operator']);
  const { joining } = credentials ?? {};
  return await server.listenTcp(listen, {
    onRefused: (error, address) => {
      const { logger, audit } = services;
      logger.warn({ err: error }, 'a connection is refused');
      audit.note({
        event: 'stranger',
        who: { address },
        outcome: `refused ${error.code}`,
        reason: error.message,
      });
    },
    ...(credentials ? { credentials } : {}),
    ...(joining ? { other: joining } : {}),
  });
}

/** Serves clients, endpoints and operators. @throws NsmError `privilege` when pods cannot come to the sockets. */
export async function listenUnix(
  services: ServiceComponents,
  { runDir }: Pick<ManagerOptions, 'runDir'>,
  stops: Stops,
): Promise<void> {
  const { logger, readiness, pods, shares, audit } = services;
  const show = (socket: string): void => {
    if (pods && socket !== join(runDir, 'admin.sock')) showToPods(runDir, socket);
  };
  const onRemoved = (socket: string, error?: NsmError): void => {
    if (error) {
      readiness.lack('sockets', `${socket} was removed: ${error.message}`);
      logger.error({ socket, err: error }, 'a socket was removed, and cannot be made again yet');
      return;
    }
    show(socket);
    readiness.have('sockets');
    logger.warn({ socket }, 'a socket was removed by somebody else: made again');
  };
  // Any pod may ask; who asks is known by its credentials. A user who may open admin.sock is an operator.
  openToAll(runDir);
  // Endpoints in whatever language find their place there; who may make sockets beside the manager's may make them in it.
  const place = join(runDir, 'endpoints');
  if (mkdirSync(place, { recursive: true }) !== undefined) chmodSync(place, statSync(runDir).mode);
  const server = (): Server =>
    newServer(services, stops, {
      ...withPods,
      share: (what, peer, more) => {
        try {
          return shares.take(what, peer, { more });
        } catch (thrown) {
          const { code, message } = NsmError.from(thrown);
          const line = { event: 'call', who: whoCalls(services, { peer }), what: { limit: what } };
          audit.note({ ...line, outcome: `refused ${code}`, reason: message });
          throw thrown;
        }
      },
    });
  const ofClients = auditedCalls(services, clientService(services));
  const ofEndpoints = auditedCalls(services, endpointService(services));
  const ofOperators = auditedCalls(services, adminService(services), [
    'closeConnection',
    'drain',
    'captureConnection',
    'benchConnection',
  ]);
  const sockets = [
    ['client.sock', 0o666, server().add(connect.ClientConnection, ofClients)],
    ['endpoint.sock', 0o666, server().add(endpoint.EndpointOperations, ofEndpoints)],
    ['admin.sock', 0o600, server().add(admin.Admin, ofOperators)],
  ] as const;
  for (const [file, mode, serving] of sockets) {
    const socket = join(runDir, file);
    await serving.listenUnix(socket, {
      mode,
      onRemoved,
      prepare: refuseDescriptors,
      identify: openerOf,
    });
    show(socket);
  }
  readiness.have('sockets');
}

function newServer(
  { logger, readiness }: Pick<ServiceComponents, 'logger' | 'readiness'>,
  stops: Stops,
  options: ServerOptions,
): Server {
  const server = new Server((error, method) => logger.error({ err: error, method }, 'internal error'), {
    ...options,
    condition: readiness,
    onCrowd: (error) => logger.warn({ err: error }, 'connections are refused'),
  });
  stops.add(() => server.stop());
  return server;
}

/** @throws NsmError `privilege` when pods cannot enter a folder that is another user's. */
function openToAll(folder: string): void {
  const { mode } = statSync(folder);
  if ((mode & 0o005) === 0o005) return;
  try {
    chmodSync(folder, mode | 0o755);
  } catch (error) {
    throw new NsmError(
      'privilege',
      `--run-dir ${folder} belongs to another user and is closed to pods: chmod 755 it`,
      error,
    );
  }
}
