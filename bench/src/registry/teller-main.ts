// What a thousand managers cannot hear sooner than: a process that writes a name to all its connections. Argument: TellerOptions.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Advertised } from './advertiser-main.js';

export interface TellerOptions {
  readonly host: string;
  readonly port: number;
}

const now = (): number => performance.timeOrigin + performance.now();

async function run({ host, port }: TellerOptions): Promise<void> {
  const listeners = new Set<Socket>();
  const server = createServer((socket) => {
    listeners.add(socket.setNoDelay());
    socket.on('error', () => undefined).on('close', () => listeners.delete(socket));
  });
  await once(server.listen(port, host), 'listening');
  process.on('message', ({ names }: { readonly names: readonly string[] }) => {
    const began = now();
    for (const name of names) for (const socket of listeners) socket.write(name);
    process.send?.({ began, ended: now() } satisfies Advertised);
  });
  process.send?.({});
}

process.on('disconnect', () => process.exit(1));
await run(JSON.parse(process.argv[2] ?? '{}') as TellerOptions);
