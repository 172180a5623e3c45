// The file descriptor of a socket.
import type { Server, Socket } from 'node:net';
import { NsmError } from './errors.js';

/** Node keeps the descriptor on an internal handle and offers no other way to it. @throws NsmError when the socket is closed */
export function descriptorOf(socket: Socket | Server): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd: number } };
  if (!handle || handle.fd < 0) throw new NsmError('internal', 'the socket is closed');
  return handle.fd;
}
