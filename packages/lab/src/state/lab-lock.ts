// One command at a time makes or removes a lab: whoever listens on the lab's abstract unix socket holds it.
// The kernel lets go of it with the process, however that ends (unix(7)): there is no stale lock.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { NsmError, systemCodeOf } from '@nsm/api';

const address = (lab: string): string => `\0nsm-lab/${process.getuid?.() ?? 0}/${lab}`;

export class LabLock implements AsyncDisposable {
  readonly #release: () => Promise<void>;

  private constructor(release: () => Promise<void>) {
    this.#release = release;
  }

  /** @throws NsmError `conflict` while another process holds it */
  static async take(lab: string): Promise<LabLock> {
    const waiting = new Set<{ destroy(): void }>();
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on('error', () => {}).on('close', () => waiting.delete(socket));
      socket.resume();
    });
    server.listen(address(lab));
    try {
      await once(server, 'listening');
    } catch (error) {
      if (systemCodeOf(error) !== 'EADDRINUSE') throw error;
      throw new NsmError(
        'conflict',
        `lab ${lab} is up already, or coming up or going down; \`nsm lab down ${lab}\` removes it`,
        error,
      );
    }
    server.unref();
    return new LabLock(async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of waiting) socket.destroy();
      await closed;
    });
  }

  /** A promise of the holder's end, or undefined when no process holds the lab. */
  static async held(lab: string): Promise<{ readonly released: Promise<void> } | undefined> {
    const socket = connect(address(lab));
    const released = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {}).resume();
    const outcome = await Promise.race([
      once(socket, 'connect').then(
        () => 'held',
        () => 'free',
      ),
      released.then(() => 'free'),
    ]);
    return outcome === 'held' ? { released } : undefined;
  }

  /** Harmless when repeated. */
  async release(): Promise<void> {
    await this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
