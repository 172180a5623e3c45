// Serves the page until it is interrupted.
import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { type Credential, checkPeer, NsmError, systemCodeOf } from '@nsm/api';
import { DashboardServer, LiveMesh, type PageCertificate } from '@nsm/dashboard';
import { Output } from '@nsm/output';
import type { MachineCredentials } from '@nsm/pki';
import { aborted, interrupted } from '../../interrupted.js';
import { operatorCredentials, runDirsOf } from '../../managers/managers-to-ask.js';
import type { DashboardFlags } from './flags.js';
import { meshSource } from './mesh-source.js';

export async function runDashboard(flags: DashboardFlags): Promise<void> {
  const { listen, allowChanges = false, https = false } = flags;
  const signal = ending();
  const output = new Output(flags.json === true);
  const errors = new Output(false, process.stderr);
  const say = ({ err }: { readonly err?: { readonly message: string } }, text: string): void =>
    errors.line(`${text}${err ? `: ${err.message}` : ''}`);
  const logger = { info: () => undefined, warn: say, error: say };
  using credentials = await operatorCredentials(flags, logger);
  if (https && !credentials)
    throw new NsmError('invalid', '--https needs a certificate: --tls-cert, --tls-key and --tls-ca');
  for (const runDir of runDirsOf(flags)) mayOpen(join(runDir, 'admin.sock'));
  await using mesh = new LiveMesh(meshSource(flags, credentials));
  // A page that changes things is for whoever was given its address, and for no other user of this machine.
  const isOpen = isLoopback(listen) && !allowChanges;
  const token = flags.token ?? (isOpen ? undefined : randomBytes(18).toString('base64url'));
  await using server = await DashboardServer.start(mesh, {
    listen,
    names: [hostname(), ...flags.hostName],
    allowChanges,
    ...(token === undefined ? {} : { token }),
    ...(https && credentials ? { tls: new OperatorCertificate(credentials) } : {}),
  });
  await mesh.refresh();
  for (const trouble of mesh.troubles) errors.line(trouble);
  const host = listen.slice(0, listen.lastIndexOf(':'));
  const shown = /^(0\.0\.0\.0|\[::\])$/.test(host) ? hostname() : host;
  const address = `${https ? 'https' : 'http'}://${shown}:${server.port}/`;
  const url = `${address}${token === undefined ? '' : `#token=${token}`}`;
  if (!https && !isLoopback(listen))
    errors.line(
      'plain HTTP: whoever is on the way can read the token and all that the page shows; use --https',
    );
  if (output.json) output.value({ url, address, port: server.port, token: token ?? null, allowChanges });
  else output.line(`the mesh is shown at ${url}`);
  process.send?.({ url });
  await aborted(signal);
}

/**
 * A socket that is not there yet may come; one of another user stays as it is.
 * @throws NsmError `privilege`
 */
function mayOpen(socket: string): void {
  try {
    accessSync(socket, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (systemCodeOf(error) === 'EACCES')
      throw new NsmError('privilege', `${socket} may not be opened by this user: run as root`, error);
  }
}

/** Ctrl-C, or the end of the process that began this one and keeps a channel to it: that of a lab. */
function ending(): AbortSignal {
  const left = new AbortController();
  process.once('disconnect', () => left.abort());
  return AbortSignal.any([interrupted(), left.signal]);
}

function isLoopback(listen: string): boolean {
  return /^(127\.[\d.]+|\[::1\]|localhost):\d+$/.test(listen);
}

/** The operator's own certificate, as it is renewed. */
class OperatorCertificate implements PageCertificate {
  readonly #credentials: MachineCredentials;
  #credential: Credential | undefined;
  #context: PageCertificate['current'] = {};

  constructor(credentials: MachineCredentials) {
    this.#credentials = credentials;
  }

  get current(): PageCertificate['current'] {
    const { current } = this.#credentials;
    if (current !== this.#credential) {
      const { key, chain, authorities } = current;
      const ca = [...authorities.values()].flat().map((authority) => authority.toString());
      this.#context = { key, cert: chain, ca };
      this.#credential = current;
    }
    return this.#context;
  }

  isOperator(socket: TLSSocket): boolean {
    try {
      return checkPeer(socket, this.#credentials.current).kind === 'operator';
    } catch {
      return false;
    }
  }
}
