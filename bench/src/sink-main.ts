// A collector of traces that takes everything and keeps nothing, and a Prometheus that reads now and then: node sink-main.js JSON.
import { createServer } from 'node:http';

/** Milliseconds between two readings: three times as often as Prometheus reads by default. */
const readEveryMs = 5000;

const { collect, read } = JSON.parse(process.argv[2] ?? '{}') as {
  /** TCP port. */
  readonly collect: number;
  /** URL of the page of metrics. */
  readonly read: string;
};
process.on('disconnect', () => process.exit(1));
createServer((request, response) => {
  request.resume();
  request.on('end', () => response.end());
}).listen(collect, '127.0.0.1', () => process.send?.('ready'));
setInterval(async () => {
  const reply = await fetch(read).catch(() => undefined);
  await reply?.text();
}, readEveryMs);
