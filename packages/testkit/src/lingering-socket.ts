// A socket whose last close takes its time (SO_LINGER of socket(7)): its peer takes nothing of what was sent. Any user may make one.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { libc } from '@nsm/netlink';
import { waitFor } from './wait-for.js';

const SO_LINGER = 13;
/** More than the kernel keeps for both ends. */
const tooMuch = Buffer.alloc(32 << 20);

export class LingeringSocket implements Disposable {
  readonly #near: Socket;
  readonly #far: Socket;

  private constructor(near: Socket, far: Socket) {
    this.#near = near;
    this.#far = far;
  }

  /** @param seconds for which the last close waits at most. */
  static async make(seconds: number): Promise<LingeringSocket> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    const near = connect(port, '127.0.0.1');
    const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
      [Socket],
      [],
    ];
    server.close();
    for (const socket of [near, far]) socket.on('error', () => undefined);
    const linger = Buffer.alloc(8);
    linger.writeInt32LE(1, 0);
    linger.writeInt32LE(seconds, 4);
    const made = new LingeringSocket(near, far);
    libc.setSocketOptionBytes(made.fd, libc.SOL_SOCKET, SO_LINGER, linger);
    near.write(tooMuch);
    await waitFor(() => near.bytesWritten > 0);
    return made;
  }

  get fd(): number {
    const { _handle: handle } = this.#near as unknown as { readonly _handle: { readonly fd: number } };
    return handle.fd;
  }

  /** Closes this process's own descriptor, which waits for nothing while another process has one. */
  letGo(): void {
    this.#near.destroy();
  }

  /** Ends whoever's wait there is. */
  [Symbol.dispose](): void {
    // What was not read makes this a reset.
    this.#far.destroy();
    this.#near.destroy();
  }
}
