// What runs in a pod attached by MEM: joins its memif to a TAP device of the pod, so that the kernel answers and sends.
import { fstatSync } from 'node:fs';
import { anyMemory, MemifTap, memifSettings } from '@nsm/forwarder';
import { openTap, Poller, RouteMonitor, RouteSocket } from '@nsm/netlink';
import type { SharedPort } from './shared-port.js';

const { parameters, mac, mtu, addresses } = JSON.parse(process.argv[2] ?? '') as SharedPort;
const route = RouteSocket.open();
const tap = openTap({ kind: 'tap', name: 'mem%d' });
const carrier = (): boolean => route.link(tap.name)?.lowerUp === true;
const said = { from: counted(), to: counted(), unheard: 0 };
const { socket = '', role } = parameters;
const settings = memifSettings(parameters, role === 'server' ? 'server' : 'client', mtu);

const monitor = RouteMonitor.open({ groups: ['link'] });
monitor.on('link', () => {
  if (carrier()) tell();
});
const wire = new MemifTap({ ...settings, socket, tap: tap.fd }, anyMemory, new Poller(), said, () =>
  process.exit(1),
);
const device = route.link(tap.name)?.index ?? 0;
route.setLink(device, { mtu, up: true, ...(mac ? { mac } : {}) });
for (const address of addresses) route.addAddress(device, { address, nodad: true });
process.once('SIGTERM', end);
// The end of standard input tells that the starter has ended; /dev/null says nothing of that.
if (!fstatSync(0).isCharacterDevice()) process.stdin.once('end', end).resume();

/** The peer is told. */
function end(): void {
  wire.close();
  process.exit();
}

/** The device has a carrier as long as a peer is at the other end of the memif. */
function tell(): void {
  monitor.close();
  process.stdout.write('connected\n');
}

function counted() {
  return { packets: 0, bytes: 0, drops: 0 };
}
