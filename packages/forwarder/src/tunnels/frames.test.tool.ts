// Frames for the tunnel tests: ways to spoil a packet, and a file of them.

/** Makes the checksum of an IPv4 header behind an Ethernet header right. */
export const fixChecksum = (frame: Buffer): Buffer => {
  if (frame.readUInt16BE(12) !== 0x0800) return frame;
  frame.writeUInt16BE(0, 24);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, 24);
  return frame;
};

const changed = (frame: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(frame);
  change(copy);
  return fixChecksum(copy);
};

const isIPv4 = (frame: Buffer): boolean => frame.readUInt16BE(12) === 0x0800;

/** Another sender than the peer. */
export const fromElsewhere = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    const last = isIPv4(frame) ? 29 : 37;
    copy[last] = copy[last]! ^ 0x40;
  });

/** The same sender by IP, but another host on the link. */
export const fromAnotherHost = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    copy[11] = copy[11]! ^ 0x40;
  });

/** To another address of the receiver. */
export const toElsewhere = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    const last = isIPv4(frame) ? 33 : 53;
    copy[last] = copy[last]! ^ 0x40;
  });

/** A label that is not the last of its stack. */
export const stackedLabels = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    copy[16] = copy[16]! & 0xfe;
  });

/** Another identifier, which ends at `offset`. */
export const ofAnother = (frame: Buffer, offset: number): Buffer =>
  changed(frame, (copy) => {
    copy[offset] = copy[offset]! ^ 0x10;
  });

/** The first fragment of more. */
export const fragmented = (frame: Buffer): Buffer => {
  if (isIPv4(frame)) return changed(frame, (copy) => copy.writeUInt16BE(0x2000, 20));
  const header = Buffer.from([frame[20]!, 0, 0, 1, 0, 0, 0, 7]);
  const copy = Buffer.concat([frame.subarray(0, 54), header, frame.subarray(54)]);
  copy.writeUInt16BE(frame.readUInt16BE(18) + header.length, 18);
  copy[20] = 44;
  return copy;
};

/** "Congestion experienced" on the outside, of a flow that does not take part in ECN. */
export const congested = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    if (isIPv4(frame)) copy[15] = copy[15]! | 3;
    else copy[15] = copy[15]! | 0x30;
  });

/** A file that tshark reads (libpcap, nanoseconds unused). */
export const pcap = (frames: readonly Buffer[]): Buffer => {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_536, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
};
