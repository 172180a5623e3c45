// TLS to a member of an etcd, whose certificate has the name or address that it is called by.
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import { splitHostPort } from '@nsm/api';

/** Milliseconds for connection and handshake. */
const connectedWithinMs = 2000;

/** @throws Error why there is no connection, or the member is not trusted. */
export async function connectSecurely(address: string, secureContext: SecureContext): Promise<TLSSocket> {
  return await secured(address, { secureContext });
}

/** True when a member that gives no sensible answer to plain text wants TLS. */
export async function speaksTls(address: string): Promise<boolean> {
  try {
    (await secured(address, { rejectUnauthorized: false })).destroy();
    return true;
  } catch {
    return false;
  }
}

function secured(address: string, options: ConnectionOptions): Promise<TLSSocket> {
  const { host, port } = splitHostPort(address);
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...options,
      host,
      port,
      ALPNProtocols: ['h2'],
      // An address is no name that a server chooses its certificate by (RFC 6066, section 3).
      ...(isIP(host) ? {} : { servername: host }),
    });
    const late = setTimeout(
      () => socket.destroy(new Error(`no TLS connection within ${connectedWithinMs / 1000} s`)),
      connectedWithinMs,
    );
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(late));
    socket.once('secureConnect', () => {
      clearTimeout(late);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
