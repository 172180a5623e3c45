// A connection lasts no longer than the certificates by which its sides were believed: whose certificate is not renewed has no say any more.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Milliseconds that calls are given which are under way then: none takes longer, and streams are begun anew. */
const graceMs = 60_000;
/** Milliseconds between two looks at whether the last call has ended. */
const lookMs = 1000;
/** Milliseconds until the time of day is looked at again, which may be set meanwhile. */
const longestMs = 3_600_000;

/** The last second of a certificate counts (RFC 5280, 4.1.2.5), milliseconds. */
const secondMs = 1000;

/** When the first of the certificates of a connection's two sides is over, milliseconds since 1970. */
export function endOfBoth(socket: TLSSocket): number {
  const shown = [socket.getPeerX509Certificate(), socket.getX509Certificate()];
  const ends = shown.flatMap((certificate) => (certificate ? Date.parse(certificate.validTo) : []));
  return Math.min(...ends) + secondMs;
}

/**
 * Closes a connection when its time is over: at once where no call is under way, else a minute later.
 * @param until milliseconds since 1970.
 */
export function endAt(socket: Socket, until: number, isIdle: () => boolean): void {
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const left = until - Date.now();
    if (left <= -graceMs || (left <= 0 && isIdle())) socket.destroy();
    else timer = setTimeout(look, left <= 0 ? lookMs : Math.min(left, longestMs)).unref();
  };
  socket.once('close', () => clearTimeout(timer));
  look();
}
