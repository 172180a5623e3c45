// nsmadmin.Admin on TCP, for operators on other machines: they look, and change nothing.
import { type admin, type CallContext, NsmError, type ServiceImplementation } from '@nsm/api';

type Admin = ServiceImplementation<typeof admin.Admin>;

/** Which methods only look. Those that change the node, or show its packets, are for operators on the node itself. */
const looks: Readonly<Record<keyof Admin, boolean>> = {
  getManager: true,
  listServices: true,
  listEndpoints: true,
  listManagers: true,
  listConnections: true,
  listTunnels: true,
  explainSelection: true,
  closeConnection: false,
  drain: false,
  getPolicy: true,
  testPolicy: true,
  watchConnections: true,
  watch: true,
  compareConnection: true,
  captureConnection: false,
  pingConnection: false,
  traceConnection: false,
  benchConnection: false,
  checkPeers: false,
  checkRegistry: false,
  listRefusals: true,
};

/** The same service; methods that do more than look are refused with kind `privilege`. */
export function operatorService(service: Admin): Admin {
  const methods = Object.entries(looks).map(([name, isLook]) => {
    const run = service[name as keyof Admin] as (request: object, context: CallContext) => unknown;
    return [name, isLook ? run.bind(service) : refuse];
  });
  return Object.fromEntries(methods) as Admin;
}

function refuse(): never {
  throw new NsmError('privilege', 'operators look over TCP, and make changes on the node itself: admin.sock');
}
