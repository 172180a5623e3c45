// The folder of a daemon's sockets: made, tried, and refused where no sockets can be served in it.
import { NsmError } from '@nsm/api';
import { type FolderTrust, prepareFolder } from '@nsm/durable';

/** Bytes of a unix socket's path, less the terminating zero (unix(7)). */
const maxSocketPath = 107;
/** The longest name of a socket that is served in the folder. */
const longestSocket = 'forwarder.sock';

/** Makes the folder that `--run-dir` names; `trust`: who may have it besides root and this user. @throws NsmError `invalid` or `privilege` when no sockets can be served in it. */
export function prepareRunDir(folder: string, trust: FolderTrust = {}): void {
  const room = maxSocketPath - Buffer.byteLength(`/${longestSocket}`);
  if (Buffer.byteLength(folder) > room)
    throw new NsmError(
      'invalid',
      `--run-dir ${folder} is longer than ${room} bytes, and sockets in it longer than unix sockets may be; choose a shorter one`,
    );
  prepareFolder('--run-dir', folder, 0o755, trust);
}
