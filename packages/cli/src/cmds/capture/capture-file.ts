// A capture as a pcapng file, or as a stream of one.
import { once } from 'node:events';
import { createWriteStream, fstatSync, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type admin, type capture, NsmError } from '@nsm/api';
import { interfaceBlock, packetBlock, sectionHeader, statisticsBlock } from '@nsm/output';
import { ownVersion } from '../../own-version.js';

/** Milliseconds after which a reader at the other end of a pipe is told how much was lost, and found out to have gone. */
const tellAgainMs = 2000;

export class CaptureFile {
  readonly #connection: admin.Connection;
  readonly #snapLength: number;
  readonly #out: NodeJS.WritableStream;
  readonly #isPipe: boolean;
  #points = 0;
  #dropped: readonly bigint[] = [];
  #toldAt = performance.now();

  /** @param file a path, `-`, or what takes it. @throws NsmError `invalid` when it is a terminal. */
  constructor(file: string | NodeJS.WritableStream, connection: admin.Connection, snapLength: number) {
    this.#connection = connection;
    this.#snapLength = snapLength;
    if (typeof file !== 'string') {
      this.#out = file;
      this.#isPipe = false;
    } else if (file === '-') {
      if (process.stdout.isTTY)
        throw new NsmError(
          'invalid',
          'a terminal shows no pcapng: give a file, or "-w - | wireshark -k -i -"',
        );
      this.#out = process.stdout;
      this.#isPipe = fstatSync(1).isFIFO();
    } else {
      // What others send is nobody else's to read.
      this.#out = createWriteStream(file, { fd: openSync(file, 'w', 0o600) });
      this.#isPipe = false;
    }
  }

  async points(points: readonly capture.Point[]): Promise<void> {
    const { id, networkServiceName, requestId, nseProviderName } = this.#connection;
    const service = `network service ${networkServiceName}, endpoint ${nseProviderName}`;
    await this.#write(
      sectionHeader(`nsm ${ownVersion()}`, `connection ${id}, request ${requestId}, ${service}`),
    );
    this.#points = points.length;
    for (const { place, manager, interface: name, missing } of points)
      await this.#write(
        interfaceBlock({
          name: `${place} ${manager} ${name}`.trim(),
          description: `${place} of ${id} on node ${manager}`,
          comment: missing === '' ? `connection ${id}, ${service}, node ${manager}, ${place}` : missing,
          snapLength: this.#snapLength,
        }),
      );
  }

  async packets(packets: readonly capture.Packet[], dropped: readonly bigint[]): Promise<void> {
    this.#dropped = dropped;
    if (packets.length > 0)
      await this.#write(
        Buffer.concat(packets.map(({ point, ...packet }) => packetBlock({ ...packet, interface: point }))),
      );
    if (this.#isPipe && performance.now() - this.#toldAt >= tellAgainMs) await this.#statistics();
  }

  async end(): Promise<void> {
    await this.#statistics();
    if (this.#out === process.stdout) return;
    this.#out.end();
    await finished(this.#out);
  }

  async #statistics(): Promise<void> {
    this.#toldAt = performance.now();
    const now = BigInt(Date.now()) * 1_000_000n;
    for (let point = 0; point < this.#points; point++)
      await this.#write(statisticsBlock(point, now, this.#dropped[point] ?? 0n));
  }

  /** Resolves when more may be written. A reader that has gone ends the process (main.ts). */
  async #write(bytes: Uint8Array): Promise<void> {
    if (!this.#out.write(bytes)) await once(this.#out, 'drain');
  }
}
