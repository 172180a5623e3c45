// Reads the journals of the versions before protobuf: records that v8 serialized, each with the number of its schema.
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { NsmError } from '@nsm/api';
import type { Connection, Intent, Phase } from './connection.js';

/**
 * Magic number, mark, length of the body and its CRC-32, which began with that length, 4 bytes each in little endian; the body is a
 * key and a record.
 */
const headerBytes = 16;
const magic = Buffer.from('NSM1');
/** The mark of a record that is not removed. */
const live = 0x4556_494c;

/** The newest record of each key, and whether bytes of the file belong to none. @throws Error of the file system. */
export function readJournal(path: string): {
  readonly records: ReadonlyMap<string, unknown>;
  readonly damaged: boolean;
} {
  const bytes = readFileSync(path);
  const records = new Map<string, unknown>();
  let [end, damaged] = [0, false];
  for (let offset = 0; offset >= 0; ) {
    const size = sizeAt(bytes, offset);
    if (size > 0) {
      const [key, record] = deserialize(bytes.subarray(offset + headerBytes, offset + size)) as [
        string,
        unknown,
      ];
      if (bytes.readUInt32LE(offset + 4) === live) records.set(key, record);
      else records.delete(key);
      damaged ||= offset > end;
      offset = end = offset + size;
    } else offset = bytes.indexOf(magic, offset + 1);
  }
  return { records, damaged: damaged || end < bytes.length };
}

/** Bytes of the record that begins there; 0 when there is none that is whole. */
function sizeAt(bytes: Buffer, offset: number): number {
  if (bytes.length - offset < headerBytes || bytes.indexOf(magic, offset) !== offset) return 0;
  const mark = bytes.readUInt32LE(offset + 4);
  const end = offset + headerBytes + bytes.readUInt32LE(offset + 8);
  if (end > bytes.length || (mark !== 0 && mark !== live)) return 0;
  const body = bytes.subarray(offset + headerBytes, end);
  return crc32(body, body.length) === bytes.readUInt32LE(offset + 12) ? end - offset : 0;
}

/** What is meant and what there is were one state in schema 1, whose records had no number. */
interface Schema1 extends Omit<Connection, 'intent' | 'phase'> {
  readonly state: {
    readonly kind: 'CONNECTING' | 'UP' | 'HEALING' | 'CLOSING';
    readonly reason?: string;
    readonly attempt?: number;
    readonly kept?: true;
    readonly tellPeer?: boolean;
    readonly reconnect?: boolean;
    readonly removed?: true;
  };
}

/** @throws NsmError `conflict` for a record of another schema than 1 and 2. */
export function connectionOf(record: unknown): Connection {
  const { schema = 1, ...rest } = record as { readonly schema?: number };
  if (schema === 2) return rest as Connection;
  if (schema !== 1)
    throw new NsmError('conflict', `a journal has a record of schema ${schema}, which is not known`);
  const { state, ...connection } = rest as Schema1;
  return { ...connection, ...intentAndPhase(state) };
}

function intentAndPhase(state: Schema1['state']): { readonly intent: Intent; readonly phase: Phase } {
  const { kind, reason = '', attempt = 0 } = state;
  const intent: Intent = { kind: 'connected' };
  switch (kind) {
    case 'CONNECTING':
    case 'UP':
      return { intent, phase: { kind } };
    case 'HEALING':
      // Whether what led to the lost endpoint was taken away already was not written down: taking it away twice does no harm.
      return {
        intent,
        phase: state.kept ? { kind: 'WAITING', reason, attempt } : { kind: 'DETACHING', reason },
      };
    case 'CLOSING': {
      const tell = state.tellPeer === false ? 'nobody' : state.reconnect ? 'reconnect' : 'peer';
      return {
        intent: { kind: 'closed', reason, tell },
        phase: state.removed ? { kind: 'REMOVED' } : { kind: 'UP' },
      };
    }
  }
}
