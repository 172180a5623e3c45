// The body of an answer, as text or line by line.
import type { Readable } from 'node:stream';

/** The whole. Rejects with the stream's error. */
export async function textOf(stream: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** Each line as soon as it is there, without its end. Text after the last end of a line is no line: the stream broke off in it. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  for await (const part of stream) {
    let rest = part as Buffer;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      begun.push(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const line = Buffer.concat(begun).toString('utf8');
      begun = [];
      if (line !== '') yield line;
    }
    if (rest.length > 0) begun.push(rest);
  }
}
