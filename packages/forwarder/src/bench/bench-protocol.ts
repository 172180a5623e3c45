// What both ends of a measurement say to each other: TCP connections and UDP packets of theirs alone begin with a secret.
import type { Socket } from 'node:net';

/** Bytes of the secret. */
export const secretSize = 16;
/** What follows the secret on a TCP connection: bytes are taken and counted; given; or it is told how many UDP packets came. */
export const wish = { take: 1, give: 2, count: 3 } as const;
/** What follows it in a UDP packet: it is sent back, or counted. */
export const packetKind = { echo: 1, count: 2 } as const;
/** Bytes of secret and kind. */
export const headerSize: number = secretSize + 1;
/** Bytes that are written at a time. */
export const chunk: Buffer = Buffer.alloc(256 << 10);

/** What a thread that measures is started with. */
export type BenchStart =
  | {
      readonly role: 'serve';
      readonly address: string;
      readonly secret: Uint8Array;
      readonly from: readonly string[];
    }
  | {
      readonly role: 'run';
      readonly address: string;
      readonly tcpPort: number;
      readonly udpPort: number;
      readonly secret: Uint8Array;
      /** Milliseconds of each measurement. */
      readonly durationMs: number;
      /** Bytes of a UDP packet that fits. */
      readonly packetSize: number;
    };

export interface BenchPorts {
  readonly tcpPort: number;
  readonly udpPort: number;
}

/** Times in microseconds, rates in bits per second. */
export interface BenchFigures {
  readonly roundTripsUs: {
    readonly least: number;
    readonly median: number;
    readonly p99: number;
    readonly most: number;
  };
  readonly echoesSent: number;
  readonly echoesLost: number;
  readonly tcpSentBits: number;
  readonly tcpReceivedBits: number;
  readonly udpSentPackets: number;
  readonly udpLostPackets: number;
  readonly udpReceivedBits: number;
}

/** Reads exactly so many bytes. @throws Error when the connection ends before */
export async function readExactly(socket: Socket, size: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let got = 0;
  while (got < size) {
    const part = socket.read(Math.min(size - got, socket.readableLength || size - got)) as Buffer | null;
    if (part) {
      parts.push(part);
      got += part.length;
      continue;
    }
    await new Promise<void>((resolve, reject) => {
      const end = (): void => reject(new Error('the other end closed the connection'));
      socket.once('end', end).once('error', reject);
      socket.once('readable', () => {
        socket.off('end', end).off('error', reject);
        resolve();
      });
    });
  }
  return Buffer.concat(parts);
}
