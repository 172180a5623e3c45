// Runs as a process inside a pod: hands a socket that takes ten minutes to close to whoever is at the other end of a unix socket, keeps
// none of it, and says what became of that.
// `call SOCKET`: to the process that listens there. `serve SOCKET`: to each that connects, at once.
import { NetlinkError, Poller, UnixListener, UnixSocket } from '@nsm/netlink';
import { LingeringSocket } from '@nsm/testkit';

const [what, path = ''] = process.argv.slice(2);
const lingering = await LingeringSocket.make(600);

function handOver(socket: UnixSocket): void {
  try {
    socket.send(Buffer.from('x'), [lingering.fd]);
    lingering.letGo();
    console.log('handed over');
  } catch (error) {
    console.log(`refused ${error instanceof NetlinkError ? error.code : String(error)}`);
  }
}

if (what === 'call') handOver(UnixSocket.connect(path, 64, 'stream'));
else {
  const listener = new UnixListener(path, 'stream');
  new Poller().watch(listener.fd, () => {
    const socket = listener.accept(64);
    if (socket) handOver(socket);
  });
  console.log('serving');
}
setInterval(() => undefined, 1000);
