// Measures a connection by sockets in its pods. What is sent goes as an application's packets go.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type forwarder as fw, NsmError, traitsOf, within } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { explain } from '../explain.js';
import { OpenPort } from '../port/open-port.js';
import { validCrossConnect } from '../port/valid-cross-connect.js';
import type { Side } from '../port/wiring.js';
import { type BenchFigures, type BenchPorts, type BenchStart, secretSize } from './bench-protocol.js';

/** Milliseconds of one measurement; and of all four with what is between them, for the end that answers. */
const longestMs = 30_000;
const wholeOf = (durationMs: number): number => 4 * durationMs + 15_000;
/** Milliseconds of the thread to begin. */
const beginsWithinMs = 5000;
/** Bytes of UDP and IP headers. */
const headers = { 4: 28, 6: 48 } as const;

export class Benches {
  /** One measurement at a time on each end: two would measure each other. */
  #serving = false;
  #running = false;

  /** Answers until the caller goes, or the time of a measurement has passed. @throws NsmError */
  async *serve(
    { crossConnect, side, durationMs, secret }: fw.ServeBenchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof fw.ServeBenchReplySchema>> {
    const duration = validDuration(durationMs, secret);
    if (this.#serving) throw new NsmError('overload', 'another measurement is under way on this node');
    this.#serving = true;
    try {
      using open = openSide(crossConnect, side);
      const { address, peers } = addressesOf(open);
      const worker = startIn(open, { role: 'serve', address, secret, from: peers });
      try {
        const { tcpPort, udpPort } = await answerOf<BenchPorts>(worker, beginsWithinMs, signal);
        open[Symbol.dispose]();
        yield { address, tcpPort, udpPort };
        await sleep(wholeOf(duration), undefined, { signal }).catch(() => undefined);
      } finally {
        await worker.terminate();
      }
    } finally {
      this.#serving = false;
    }
  }

  /** @throws NsmError `no-packets` when the other end cannot be reached. */
  async run(
    request: fw.RunBenchRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof fw.BenchReportSchema>> {
    const { crossConnect, side, durationMs, secret, address, tcpPort, udpPort } = request;
    const duration = validDuration(durationMs, secret);
    if (this.#running) throw new NsmError('overload', 'another measurement is under way on this node');
    this.#running = true;
    try {
      using open = openSide(crossConnect, side);
      if (!open.port.peerAddresses.includes(address))
        throw new NsmError('invalid', `${address} is no address of the connection's other side`);
      const packetSize = open.port.mtu - headers[IpPrefix.ofAddress(address).version];
      const start = {
        role: 'run',
        address,
        tcpPort,
        udpPort,
        secret,
        durationMs: duration,
        packetSize,
      } as const;
      const worker = startIn(open, start);
      try {
        const { roundTripsUs, ...figures } = await answerOf<BenchFigures>(worker, wholeOf(duration), signal);
        const { least, median, p99, most } = roundTripsUs;
        return { ...figures, leastUs: least, medianUs: median, p99Us: p99, mostUs: most };
      } finally {
        await worker.terminate();
      }
    } finally {
      this.#running = false;
    }
  }
}

function validDuration(durationMs: number, secret: Uint8Array): number {
  if (durationMs < 1 || durationMs > longestMs)
    throw new NsmError('invalid', `a measurement takes 1 to ${longestMs} ms, and not ${durationMs}`);
  if (secret.length !== secretSize) throw new NsmError('invalid', `a secret has ${secretSize} bytes`);
  return durationMs;
}

function openSide(crossConnect: fw.CrossConnect | undefined, side: string): OpenPort {
  if (!crossConnect) throw new NsmError('invalid', 'no cross-connect is named');
  const port = validCrossConnect(crossConnect)[side as Side];
  if (!port || !traitsOf(port.type).hasDevice)
    throw new NsmError(
      'dataplane',
      `the ${side} has no device on this node by which anything could be measured`,
    );
  try {
    return new OpenPort(port);
  } catch (error) {
    throw explain(error, crossConnect);
  }
}

/** Its own address, and the other side's of the same version of IP. @throws NsmError `dataplane` where there is none */
function addressesOf({ port: { addresses, peerAddresses } }: OpenPort): {
  readonly address: string;
  readonly peers: string[];
} {
  for (const own of addresses) {
    const { address, version } = IpPrefix.of(own);
    const peers = peerAddresses.filter((peer) => IpPrefix.ofAddress(peer).version === version);
    if (peers.length > 0) return { address, peers };
  }
  throw new NsmError('dataplane', 'the two sides have no addresses of the same version of IP');
}

/** A new thread is where the thread is that begins it. */
function startIn({ namespace }: OpenPort, start: BenchStart): Worker {
  let worker: Worker | undefined;
  namespace.run(() => {
    worker = new Worker(new URL('./bench-worker.js', import.meta.url), { workerData: start });
  });
  if (!worker) throw new NsmError('internal', 'no thread was begun');
  return worker;
}

async function answerOf<T>(worker: Worker, withinMs: number, signal: AbortSignal): Promise<T> {
  const answer = new Promise<T>((resolve, reject) => {
    worker.once('message', (message: { readonly result?: T; readonly error?: string }) =>
      message.result === undefined
        ? reject(new NsmError('no-packets', `nothing can be measured: ${message.error}`))
        : resolve(message.result),
    );
    worker.once('error', reject);
    worker.once('exit', () => reject(new NsmError('internal', 'the thread that measures has ended')));
  });
  const stopped = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(NsmError.from(signal.reason));
    signal.addEventListener('abort', () => reject(NsmError.from(signal.reason)), { once: true });
  });
  return await within(withinMs, Promise.race([answer, stopped]), () => {
    throw new NsmError('no-packets', `nothing was measured within ${withinMs / 1000} s: packets get lost`);
  });
}
