// TCP transfers between two pods, each end a Node.js process of its own.
import { run, spawnIn, type TestNamespace, waitFor } from '@nsm/testkit';

const server = `
  require('node:net').createServer((socket) => {
    const hash = require('node:crypto').createHash('sha256');
    socket.on('data', (bytes) => hash.update(bytes)).on('end', () => socket.end(hash.digest('hex')));
  }).listen(7000, '::', () => console.log('listening'));
`;
const client = `
  const [size, ...addresses] = process.argv.slice(1);
  const transfer = () => {
    const address = addresses.shift();
    if (address === undefined) return;
    const hash = require('node:crypto').createHash('sha256');
    const socket = require('node:net').connect(7000, address);
    let left = Number(size), answer = '';
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
    socket.setTimeout(8000, () => { console.log(address + ': stalled'); process.exit(1); });
    socket.on('data', (text) => { answer += text; });
    socket.on('close', () => {
      console.log(address + ': ' + (answer === hash.digest('hex') ? 'same' : 'different'));
      transfer();
    });
  };
  transfer();
`;

/**
 * Sends `bytes` bytes from one pod to each address in another, one after the other.
 * @returns the addresses at which they have arrived unharmed.
 * @throws Error with what arrived when a transfer stalls.
 */
export const transfer = async (
  from: TestNamespace,
  to: TestNamespace,
  addresses: readonly string[],
  bytes: number,
): Promise<string[]> => {
  await using running = await spawnIn(to.name, process.execPath, ['-e', server]);
  await waitFor(() => running.output().includes('listening'), { what: 'server' });
  const told = await run(from.name, process.execPath, ['-e', client, String(bytes), ...addresses]);
  return told.split('\n').flatMap((line) => /^(.*): same$/.exec(line)?.[1] ?? []);
};
