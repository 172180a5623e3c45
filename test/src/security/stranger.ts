// A process that tries to speak gRPC to a TCP port, with whatever it was given to show. Prints what it heard as one line of JSON.
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** What is tried. */
export interface Attempt {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain text. */
  readonly tls?: Pick<ConnectionOptions, 'key' | 'maxVersion' | 'ALPNProtocols'> & {
    /** PEM, sent so many times; default once. */
    readonly cert?: string;
    readonly certTimes?: number;
  };
  /** So many connections that say nothing are opened first, and kept; these get no answer. */
  readonly silent?: number;
}

export interface Heard {
  /** The HTTP status of a gRPC call; undefined when there was no answer. */
  readonly status?: number;
  /** What the server said of why, as any gRPC client can read it. */
  readonly farewell: string;
}

const attempt = JSON.parse(process.argv[2] ?? '') as Attempt;
const { host, port, tls, silent = 0 } = attempt;

/** Milliseconds: of a connection that ends in the middle of a flight, OpenSSL may say nothing. */
const answerWithinMs = 3000;
const chain = tls?.cert === undefined ? {} : { cert: tls.cert.repeat(tls.certTimes ?? 1) };

const opened = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false, ...tls, ...chain }, () => resolve(socket))
      : connectTcp(port, host, () => resolve(socket));
    socket.on('error', reject).once('close', () => reject(new Error('the connection ended')));
  });

const call = async (): Promise<Heard> => {
  let farewell = '';
  try {
    const socket = await opened();
    const session = connectHttp2(`http://${host}`, { createConnection: () => socket });
    session.on('goaway', (_code, _last, words) => {
      farewell = words?.toString() ?? '';
    });
    const status = await new Promise<number | undefined>((resolve) => {
      for (const one of [session, socket])
        one.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
      const headers = {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      };
      const stream = session.request(headers);
      stream.on('response', (response) => resolve(response[':status']));
      stream.on('error', () => undefined).end(Buffer.alloc(5));
    });
    session.destroy();
    return { farewell, ...(status === undefined ? {} : { status }) };
  } catch (error) {
    return { farewell: (error as Error).message };
  }
};

for (let count = 0; count < silent; count++) connectTcp(port, host).on('error', () => undefined);
if (silent > 0) console.log('silent');
else {
  const unheard = sleep(answerWithinMs, { farewell: 'no answer' });
  console.log(JSON.stringify(await Promise.race([call(), unheard])));
  process.exit();
}
