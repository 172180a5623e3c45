// The thread that deletes devices.
import { type MessagePort, workerData } from 'node:worker_threads';
import { RouteSocket } from '@nsm/netlink';
import { type Condemned, deleteDevices } from './delete-devices.js';

const port = workerData as MessagePort;
const node = RouteSocket.open();
port.on('message', (batch: readonly Condemned[]) => port.postMessage(deleteDevices(node, batch)));
port.on('close', () => node.close());
port.postMessage('ready');
