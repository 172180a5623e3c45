// Hardware addresses: text to bytes and back.
import { DecodeError } from '../decode-error.js';

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Bytes of `02:fc:00:00:00:01` (any length from 1 to 32 bytes: InfiniBand has 20). @throws DecodeError */
export const parseMac = (text: string): Buffer => {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){0,31}$/i.test(text))
    throw new DecodeError(`not a hardware address: ${JSON.stringify(text)}`);
  return Buffer.from(text.replaceAll(':', ''), 'hex');
};

/** Lower-case text of a hardware address, such as `02:fc:00:00:00:01`. */
export const formatMac = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += text === '' ? HEX[byte] : `:${HEX[byte]}`;
  return text;
};
