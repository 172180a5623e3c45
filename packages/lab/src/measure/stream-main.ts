// One end of a TCP stream that is measured, run in a pod: `receive ADDRESS` or `send ADDRESS PORT MILLISECONDS`.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** Bytes written at once: what the kernel sends as a few of its largest frames. */
const piece = Buffer.alloc(256 * 1024);

/** Prints the port it listens on, and then, when the stream has ended, bits per second. */
async function receive(address: string): Promise<void> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  const startedAt = performance.now();
  let bytes = 0;
  socket.on('data', (data) => {
    bytes += data.length;
  });
  await once(socket, 'end');
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(`${Math.round((bytes * 8) / seconds)}\n`);
  socket.destroy();
  server.close();
}

async function send(address: string, port: number, milliseconds: number): Promise<void> {
  const socket = connect(port, address);
  await once(socket, 'connect');
  const until = performance.now() + milliseconds;
  while (performance.now() < until) if (!socket.write(piece)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'close');
}

const [role, address = '', port, milliseconds] = process.argv.slice(2);
void (role === 'receive' ? receive(address) : send(address, Number(port), Number(milliseconds)));
