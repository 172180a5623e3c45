// The end of a measurement that asks: one measurement after the other, in this thread's namespace.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '@nsm/api';
import {
  type BenchFigures,
  type BenchStart,
  chunk,
  headerSize,
  packetKind,
  readExactly,
  wish,
} from './bench-protocol.js';

type Run = Extract<BenchStart, { role: 'run' }>;

/** Bytes of a packet that is sent back; milliseconds after which it counts as lost. */
const echoSize = 64;
const echoWithinMs = 500;
/** Packets that are sent without waiting until they have left. */
const burst = 32;
/** Milliseconds after which packets that are still on their way count as lost. */
const settleMs = 100;

/** @throws Error when the other end cannot be reached. */
export async function runEnd(run: Run): Promise<BenchFigures> {
  const udp = createSocket({ type: run.address.includes(':') ? 'udp6' : 'udp4', sendBufferSize: 4 << 20 });
  try {
    udp.connect(run.udpPort, run.address);
    await once(udp, 'connect');
    // Told of refused packets, which count as lost.
    udp.on('error', () => undefined);
    const echoes = await timeEchoes(udp, run);
    if (echoes.echoesLost === echoes.echoesSent)
      throw new Error(
        `no packet came back from ${run.address}; "nsm trace" follows one to where it is dropped`,
      );
    const tcpSentBits = await sendByTcp(run);
    const tcpReceivedBits = await receiveByTcp(run);
    return { ...echoes, tcpSentBits, tcpReceivedBits, ...(await floodByUdp(udp, run)) };
  } finally {
    udp.close();
  }
}

async function timeEchoes(
  udp: UdpSocket,
  { secret, durationMs }: Run,
): Promise<Pick<BenchFigures, 'roundTripsUs' | 'echoesSent' | 'echoesLost'>> {
  const packet = packetOf(secret, packetKind.echo, echoSize);
  const times: number[] = [];
  let sent = 0;
  let answered = (_number: number): void => undefined;
  udp.on('message', (message) => answered(message.readUInt32BE(headerSize)));
  for (const until = performance.now() + durationMs; performance.now() < until; ) {
    const number = ++sent;
    packet.writeUInt32BE(number, headerSize);
    const startedAt = process.hrtime.bigint();
    const answer = new Promise<boolean>((resolve) => {
      answered = (heard) => {
        if (heard === number) resolve(true);
      };
    });
    udp.send(packet);
    if (await within(echoWithinMs, answer, () => false))
      times.push(Number(process.hrtime.bigint() - startedAt) / 1000);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const roundTripsUs = { least: at(0), median: at(0.5), p99: at(0.99), most: at(1) };
  return { roundTripsUs, echoesSent: sent, echoesLost: sent - times.length };
}

async function sendByTcp(run: Run): Promise<number> {
  const socket = await dial(run, wish.take);
  const startedAt = performance.now();
  while (performance.now() - startedAt < run.durationMs)
    if (!socket.write(chunk)) await once(socket, 'drain');
  socket.end();
  const taken = Number((await readExactly(socket, 8)).readBigUInt64BE());
  const elapsedMs = performance.now() - startedAt;
  socket.destroy();
  return (8000 * taken) / elapsedMs;
}

async function receiveByTcp(run: Run): Promise<number> {
  const socket = await dial(run, wish.give);
  const startedAt = performance.now();
  let received = 0;
  socket.on('data', (part) => {
    received += part.length;
  });
  await sleep(run.durationMs);
  const elapsedMs = performance.now() - startedAt;
  socket.destroy();
  return (8000 * received) / elapsedMs;
}

async function floodByUdp(
  udp: UdpSocket,
  run: Run,
): Promise<Pick<BenchFigures, 'udpSentPackets' | 'udpLostPackets' | 'udpReceivedBits'>> {
  const packet = packetOf(run.secret, packetKind.count, run.packetSize);
  let sent = 0;
  const startedAt = performance.now();
  const sendOne = (): Promise<void> =>
    new Promise((resolve) =>
      udp.send(packet, (error) => {
        if (!error) sent++;
        resolve();
      }),
    );
  while (performance.now() - startedAt < run.durationMs)
    await Promise.all(Array.from({ length: burst }, sendOne));
  const elapsedMs = performance.now() - startedAt;
  await sleep(settleMs);
  const socket = await dial(run, wish.count);
  const counts = await readExactly(socket, 16);
  socket.destroy();
  const [received, bytes] = [Number(counts.readBigUInt64BE(0)), Number(counts.readBigUInt64BE(8))];
  return {
    udpSentPackets: sent,
    udpLostPackets: Math.max(0, sent - received),
    udpReceivedBits: (8000 * bytes) / elapsedMs,
  };
}

async function dial({ address, tcpPort, secret }: Run, what: number): Promise<Socket> {
  const socket = connect({ host: address, port: tcpPort, noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(packetOf(secret, what, headerSize));
  return socket;
}

function packetOf(secret: Uint8Array, kind: number, size: number): Buffer {
  const packet = Buffer.alloc(Math.max(size, headerSize));
  packet.set(secret);
  packet.writeUInt8(kind, headerSize - 1);
  return packet;
}
