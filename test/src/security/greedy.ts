// Runs as a process inside a pod: takes as much of a manager as it may, and reads nothing of what it gets. Says what it has, and stays.
// Arguments: the manager's client.sock; a network service whose endpoint never answers; how many connections to the manager.
import { type ClientHttp2Session, type ClientHttp2Stream, connect as http2Connect } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { message } from '../mesh/wire.js';

const [, , socket = '', hanging = '', sessions = '0'] = process.argv;
/** Of each session. */
const [uploads, watches, requests] = [2, 4, 8];
const service = '/nsmconnect.ClientConnection';
/** Of a message of gRPC: not compressed, and its length. */
const head = (length: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
};
/** A request of 1 MiB but for its last byte. */
const upload = Buffer.concat([head(1 << 20), Buffer.alloc((1 << 20) - 1)]);

const sockets: Socket[] = [];
const open = async (): Promise<ClientHttp2Session> => {
  // What comes back has no room here.
  const session = http2Connect('http://localhost', {
    createConnection: () => {
      const made = connect(socket);
      sockets.push(made);
      return made;
    },
    settings: { initialWindowSize: 0 },
  });
  session.on('error', () => undefined);
  await new Promise((resolve) => session.once('remoteSettings', resolve).once('close', resolve));
  return session;
};
const call = (session: ClientHttp2Session, method: string): ClientHttp2Stream | undefined => {
  if (session.closed || session.destroyed) return undefined;
  const stream = session.request({
    ':method': 'POST',
    ':path': `${service}/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  return stream.on('error', () => undefined);
};

const opened: ClientHttp2Session[] = [];
for (let n = 0; n < Number(sessions); n++) opened.push(await open());
for (const [index, session] of opened.entries()) {
  for (let n = 0; n < watches; n++) call(session, 'WatchConnections')?.end(head(0));
  for (let n = 0; n < requests; n++) {
    const request = message([1, `greedy-${index}-${n}`], [2, hanging], [5, message([1, 1])]);
    call(session, 'RequestConnection')?.end(Buffer.concat([head(request.length), request]));
  }
  for (let n = 0; n < uploads; n++) call(session, 'RequestConnection')?.write(upload);
  if (index % 16 === 0) await pause(1);
}
// Until no more is taken.
const taken = (): number => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
for (let before = -1, now = taken(); now !== before; before = now, now = taken()) await pause(1000);
console.log(`has ${opened.filter(({ closed, destroyed }) => !closed && !destroyed).length} connections`);
setInterval(() => undefined, 1000);
