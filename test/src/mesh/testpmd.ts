// DPDK's testpmd as a pod's application: a stranger's memif and virtio, sending or counting packets. Without hugepages.
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Running, spawnIn, waitFor } from '@nsm/testkit';

/** Why testpmd cannot be run here; undefined when it can. */
export const missingTestpmd = (): string | undefined =>
  existsSync('/usr/bin/dpdk-testpmd') ? undefined : 'there is no dpdk-testpmd; apt-get install dpdk-dev';

/** For `describe.skipIf(!requireTestpmd('memif'))`: prints why `suite` is skipped. */
export const requireTestpmd = (suite: string): boolean => {
  const why = missingTestpmd();
  if (why !== undefined) process.stderr.write(`SKIPPED ${suite}: ${why}\n`);
  return why === undefined;
};

/** What a pod was told of its interface. */
export type Parameters = Readonly<Record<string, string>>;

/** testpmd's name for a memif, and what it was told to be like. */
export const memif = ({ socket, role, id, ring_size, buffer_size, secret }: Parameters): string =>
  [
    'net_memif0',
    ...[`role=${role}`, `socket=${socket}`, 'socket-abstract=no', `id=${id}`, `secret=${secret}`],
    ...[`rsize=${Math.log2(Number(ring_size))}`, `bsize=${buffer_size}`],
  ].join(',');

/** A vhost-user server is the device, a client the driver. */
export const vhost = ({ socket, role, queues, ring_size }: Parameters): string =>
  role === 'server'
    ? `net_vhost0,iface=${socket},queues=${queues}`
    : `net_virtio_user0,path=${socket},queues=${queues},queue_size=${ring_size}`;

export type Mode = 'rxonly' | 'txonly' | 'icmpecho' | 'io' | 'macswap';

export interface TestpmdOptions {
  /** Of its port; default: one of testpmd's own. */
  readonly mac?: string;
  /** Name of a TAP device, made in the pod, as a second port: with mode `io` it sends and gets what the first does. */
  readonly tap?: string;
}

/** A running testpmd with one port. */
export class Testpmd implements AsyncDisposable {
  readonly #running: Running;
  readonly #device: string;

  private constructor(running: Running, device: string) {
    this.#running = running;
    this.#device = device;
  }

  /** Resolves when it forwards; what it forwards to need not be there yet. @throws Error with its output */
  static async start(
    namespace: string,
    device: string,
    mode: Mode,
    { mac, tap }: TestpmdOptions = {},
  ): Promise<Testpmd> {
    const args = [
      // It keeps a processor busy however little there is to do: others come first.
      ...['-n', '5'],
      // To a pipe it writes only now and then, and of a prompt nothing.
      ...['stdbuf', '-o0', 'dpdk-testpmd'],
      ...['--no-shconf', '--no-pci', '--no-huge', '--no-telemetry', '-m', '128'],
      // Two threads are the least; they share whatever processors there are.
      ...['--lcores', '(0,1)@0-1', `--vdev=${device}${mac ? `,mac=${mac}` : ''}`],
      ...(tap ? [`--vdev=net_tap0,iface=${tap}`] : []),
      // It looks at signals and writes its counters once in a second, but reads commands at once.
      ...['--', '--interactive', '--auto-start'],
      ...['--total-num-mbufs=4096', `--forward-mode=${mode}`, '--disable-link-check'],
    ];
    const running = await spawnIn(namespace, 'nice', args, 'pipe');
    // It may have ended, or been killed, when somebody writes.
    running.child.stdin?.on('error', () => undefined);
    const testpmd = new Testpmd(running, device);
    let ended = false;
    void running.exited.then(() => {
      ended = true;
    });
    try {
      await waitFor(() => ended || running.output().includes('testpmd> '), {
        timeout: 30_000,
        what: 'testpmd forwarding',
      });
      if (ended) throw new Error('it ended');
      return testpmd;
    } catch (error) {
      await running.stop();
      throw new Error(`testpmd ${device}: ${running.output()}`, { cause: error });
    }
  }

  /** Packets that it has received so far. */
  async received(): Promise<number> {
    const before = this.output.length;
    this.#running.child.stdin?.write('show port stats 0\n');
    const shown = /RX-packets: (\d+).*testpmd> /s;
    const [, count] = await waitFor(() => shown.exec(this.output.slice(before)), {
      what: 'testpmd showing its counters',
    });
    return Number(count);
  }
  get output(): string {
    return this.#running.output();
  }

  /** Waits until it has received `count` packets. */
  async receives(count: number): Promise<void> {
    await waitFor(async () => (await this.received()) >= count, {
      timeout: 10_000,
      what: `testpmd receiving ${count}`,
    }).catch((error: unknown) => {
      throw new Error(`testpmd: ${this.output}`, { cause: error });
    });
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    const { child, exited } = this.#running;
    child.kill('SIGKILL');
    await exited;
  }

  /** Takes its socket with it, which would keep the next from listening. */
  async stop(): Promise<void> {
    const { child, exited } = this.#running;
    child.stdin?.end('quit\n');
    await Promise.race([exited, pause(1_000, undefined, { ref: false })]);
    child.kill('SIGKILL');
    await exited;
    const [, socket] = /(?:role=server,socket|^net_vhost0,iface)=([^,]+)/.exec(this.#device) ?? [];
    if (socket !== undefined) rmSync(socket, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
