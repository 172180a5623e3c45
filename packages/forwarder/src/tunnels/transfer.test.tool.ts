// A TCP transfer between two pods, each end a Node.js process of its own.
import { run, spawnIn, type TestNamespace, waitFor } from '@nsm/testkit';

const server = `
  const hash = require('node:crypto').createHash('sha256');
  require('node:net').createServer((socket) => {
    socket.on('data', (bytes) => hash.update(bytes)).on('end', () => socket.end(hash.digest('hex')));
  }).listen(7000, '::', () => console.log('listening'));
`;
const client = `
  const hash = require('node:crypto').createHash('sha256');
  const socket = require('node:net').connect(7000, process.argv[1]);
  let left = Number(process.argv[2]), answer = '';
  const send = () => {
    while (left > 0) {
      const bytes = require('node:crypto').randomBytes(Math.min(left, 65536));
      left -= bytes.length;
      hash.update(bytes);
      if (!socket.write(bytes)) return socket.once('drain', send);
    }
    socket.end();
  };
  send();
  socket.setTimeout(8000, () => { console.log('stalled'); process.exit(1); });
  socket.on('data', (text) => { answer += text; });
  socket.on('close', () => console.log(answer === hash.digest('hex') ? 'same' : 'different'));
`;

/** Sends `bytes` bytes from one pod to an address in another. @returns `same` when they have arrived unharmed. */
export const transfer = async (
  from: TestNamespace,
  to: TestNamespace,
  address: string,
  bytes: number,
): Promise<string> => {
  await using running = await spawnIn(to.name, process.execPath, ['-e', server]);
  await waitFor(() => running.output().includes('listening'), { what: 'server' });
  return (await run(from.name, process.execPath, ['-e', client, address, String(bytes)])).trim();
};
