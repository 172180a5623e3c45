// The worker thread in which a manager's own forwarder lives: nothing it waits for in the kernel holds up the manager.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { forwarder as fw } from '@nsm/api';
import { NodeForwarder, type NodeForwarderOptions } from '../node-forwarder.js';
import { servePort } from './port-rpc.js';

export interface ForwarderStart {
  readonly port: MessagePort;
  readonly options: NodeForwarderOptions;
}

/** Undefined: no forwarder is needed, and the thread ends. */
parentPort?.once('message', (start: ForwarderStart | undefined) => {
  if (!start) return;
  const { port, options } = start;
  const node = new NodeForwarder(options);
  servePort(port, fw.Forwarder, node);
  // A port that closes ends the thread; what the node forwarder holds goes with it.
  port.on('close', () => void node.stop());
  port.postMessage('ready');
});
