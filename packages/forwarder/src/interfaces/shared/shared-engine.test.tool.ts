// A process with one wire of shared memory, which it joins again when it is lost.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { RouteSocket } from '@nsm/netlink';
import { SharedEngine } from './shared-engine.js';
import { SharedSockets } from './shared-sockets.js';

const [, , runDir = ''] = process.argv;
const node = RouteSocket.open();
node.addLink({ kind: 'tap', name: 'tap0', mtu: 1500 });
const tap = { name: 'tap0', index: node.link('tap0')?.index ?? 0 };
const uid = process.getuid?.() ?? 0;
const port = create(fw.PortSchema, { type: InterfaceType.MEM_INTERFACE, uid, mtu: 1500 });
const engine = new SharedEngine(
  new SharedSockets(runDir),
  false,
  { sharedMemoryMib: 64, userFactor: 4 },
  () => {
    console.log('lost');
    void join();
  },
);
setInterval(() => undefined, 1000);
await join();

async function join(): Promise<void> {
  await engine.join('node-a:1-0123456789abcdef', 'client', port, tap);
  console.log('joined');
}
