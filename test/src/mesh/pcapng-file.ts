// Reads what a capture wrote, as the format says and not as our own writer does: draft-ietf-opsawg-pcapng.
export interface CapturedFile {
  readonly interfaces: { readonly name: string; readonly comment: string }[];
  readonly packets: { readonly interface: number; readonly time: bigint; readonly length: number }[];
  /** Number of interface statistics blocks. */
  statistics: number;
}

/** A block that is not whole yet ends it. @throws Error for what is no pcapng */
export function readPcapng(file: Buffer): CapturedFile {
  const read: CapturedFile = { interfaces: [], packets: [], statistics: 0 };
  for (let at = 0; at + 12 <= file.length; ) {
    const [type, size] = [file.readUInt32LE(at), file.readUInt32LE(at + 4)];
    if (at + size > file.length) break;
    if (file.readUInt32LE(at + size - 4) !== size) throw new Error(`block at ${at}: its two lengths differ`);
    const body = file.subarray(at + 8, at + size - 4);
    if (at === 0 && (type !== 0x0a0d0d0a || body.readUInt32LE(0) !== 0x1a2b3c4d))
      throw new Error('no section header');
    if (type === 1) {
      const options = optionsOf(body.subarray(8));
      read.interfaces.push({
        name: options.get(2)?.toString() ?? '',
        comment: options.get(1)?.toString() ?? '',
      });
    } else if (type === 5) read.statistics++;
    else if (type === 6) {
      const time = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
      read.packets.push({ interface: body.readUInt32LE(0), time, length: body.readUInt32LE(16) });
    }
    at += size;
  }
  return read;
}

function optionsOf(bytes: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const [code, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    if (code === 0) break;
    options.set(code, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}
