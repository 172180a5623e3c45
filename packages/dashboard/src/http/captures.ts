// Packets of a connection, as a file that Wireshark reads.
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { deadline, NsmError } from '@nsm/api';
import type { LiveMesh } from '../mesh/live-mesh.js';

/** Seconds of a capture. */
const usual = 10;
const longest = 300;

/**
 * @param asked `id` of the connection, and `seconds`.
 * @throws NsmError before anything is sent: of what is not known, or cannot be captured from here.
 */
export async function sendCapture(
  mesh: LiveMesh,
  asked: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const { half, feed } = mesh.localHalfOf(asked.get('id') ?? '');
  const seconds = Math.min(longest, Math.max(1, Number(asked.get('seconds') ?? usual) || usual));
  const left = new AbortController();
  response.once('close', () => left.abort());
  const signal = deadline(seconds * 1000, left.signal);
  const out = new PassThrough();
  const captured = feed.capture(half.id, out, signal);
  // What fails does so before its first word.
  await Promise.race([captured, new Promise((resolve) => out.once('readable', resolve))]);
  if (out.readableLength === 0) throw new NsmError('unavailable', 'nothing was captured');
  response.writeHead(200, {
    'content-type': 'application/vnd.tcpdump.pcap',
    'content-disposition': `attachment; filename="nsm-${half.id.replace(/[^\w.-]/g, '-')}.pcapng"`,
    'cache-control': 'no-store',
  });
  out.pipe(response);
  await captured.catch(() => response.destroy());
  out.end();
}
