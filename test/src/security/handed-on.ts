// Runs as a process inside a pod: opens a socket, hands it on to a child, says its own number, and ends. The child serves on.
// `connection MANAGER RELAY`: a connection to MANAGER, over which the child relays what comes to RELAY.
// `listener SOCKET`: a socket that listens.
import { spawn } from 'node:child_process';
import { connect, createServer, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { descriptorOf } from '@nsm/api';

const [what, first = '', second = ''] = process.argv.slice(2);

const handOn = (fd: number, role: string, ready: string): void => {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), role, first, second], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
    detached: true,
  });
  child.stdout?.once('data', () => {
    console.log(`${ready} ${process.pid} ${child.pid}`);
    process.exit();
  });
};

switch (what) {
  case 'connection': {
    const socket = connect(first, () => handOn(descriptorOf(socket), 'relay', 'opened'));
    // What the manager says is the child's to read.
    socket.pause();
    break;
  }
  case 'listener': {
    const server = createServer();
    server.listen(first, () => {
      const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
      handOn(fd, 'hold', 'opened');
    });
    break;
  }
  case 'relay': {
    const manager = new Socket({ fd: 3 });
    createServer((client) => client.pipe(manager).pipe(client)).listen(second, () => console.log('ready'));
    break;
  }
  case 'hold':
    // To listen again would make this process the one that listens: the kernel takes connections without.
    setInterval(() => undefined, 1000);
    console.log('ready');
    break;
}
