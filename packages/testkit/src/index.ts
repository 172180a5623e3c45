// What the tests share: throw-away network namespaces, packets, processes.
export {
  firstAnswer,
  ipJson,
  lastAnswered,
  type NamespaceName,
  type PingOptions,
  type PingResult,
  ping,
  type Running,
  readPing,
  run,
  spawnIn,
} from './commands.js';
export { type EtcdPlace, EtcdProcess, type EtcdSettings, requireEtcd } from './etcd-process.js';
export { leaks } from './leaks.js';
export { LingeringSocket } from './lingering-socket.js';
export {
  type Offload,
  PacketSocket,
  type PacketSocketOptions,
  type SeenFrame,
} from './packet-socket.js';
export { missingPrivilege, requireRoot } from './privileges.js';
export { makeNamespace, namePrefix, type TestNamespace, withNamespaces } from './test-namespaces.js';
export { thorough, tried } from './thorough.js';
export { type WaitOptions, waitFor, waitForItem } from './wait-for.js';
