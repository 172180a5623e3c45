// An endpoint: whoever connects finds a web server that knows who calls. docs/writing-an-endpoint.md goes through it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { serve } from '@nsm/sdk';

/** Who has which address: `10.80.0.1` is the client of the first connection. */
const clients = new Map<string, string>();

await using endpoint = await serve({
  service: 'hello',
  name: process.argv[2] ?? 'hello-1',
  waitMs: 10_000,
  onConnect: ({ requestId }) => {
    if (requestId.startsWith('guest')) return { refuse: 'guests have a door of their own' };
    const pair = [...Array(128).keys()].find((number) => !clients.has(`10.80.0.${2 * number + 1}`));
    if (pair === undefined) return { refuse: 'all 128 places are taken' };
    const [own, client] = [`10.80.0.${2 * pair}`, `10.80.0.${2 * pair + 1}`];
    clients.set(client, requestId);
    return { addresses: [`${client}/31`], endpointAddresses: [`${own}/31`] };
  },
  onClose: ({ requestId }, reason) => {
    for (const [address, who] of clients) if (who === requestId) clients.delete(address);
    console.log(`${requestId} is gone: ${reason}`);
  },
});

await using server = createServer(({ socket }, reply) => {
  reply.end(`hello, ${clients.get(socket.remoteAddress ?? '') ?? 'stranger'}\n`);
}).listen(80, '0.0.0.0');
console.log(`${endpoint.name} serves ${endpoint.services} on ${endpoint.socket}`);

// Leaving the module withdraws the endpoint: its clients move to another one, if there is one, before it ends.
await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
server.closeAllConnections();
