// How daemons that speak TCP show other machines who they are.
import { resolve } from 'node:path';
import type { CredentialSources } from '@nsm/pki';
import { InvalidArgumentError, type Option } from 'commander';
import { flag, parseHostPort } from './flags.js';

export const defaultPkiDir = '/var/lib/nsm/pki';

export type SecurityFlags = Omit<CredentialSources, 'stateDir'>;

const path = (text: string): string => resolve(text);

export const securityFlags = (): Option[] => [
  pkiDirFlag(),
  flag(
    '--tls-cert <file>',
    'certificate for other machines, with the URI spiffe://DOMAIN/manager/NAME; read again when it changes',
    {
      parse: path,
    },
  ),
  flag('--tls-key <file>', 'its key', { parse: path }),
  flag('--tls-ca <file>', 'authorities whose certificates are believed', { parse: path }),
  flag('--spiffe-socket <path>', 'certificate and authorities from the SPIFFE Workload API on this socket', {
    // As in SPIFFE_ENDPOINT_SOCKET.
    parse: (text: string) => resolve(text.replace(/^unix:(\/\/)?/, '')),
  }),
  flag(
    '--join <token@host:port>',
    'get the certificate from a machine of the mesh, with a token of nsm pki join-token there',
    { parse: parseTicket },
  ),
  flag('--insecure', 'speak plain text with other machines, and believe everybody: for labs alone'),
];

/** TOKEN@HOST:PORT; whether the token is one, the machine that made it says. */
function parseTicket(text: string): string {
  const at = text.indexOf('@');
  if (at < 1) throw new InvalidArgumentError('Write TOKEN@HOST:PORT, with a token of nsm pki join-token.');
  return `${text.slice(0, at)}@${parseHostPort(text.slice(at + 1))}`;
}

const pkiDirFlag = (): Option =>
  flag(
    '--pki-dir <dir>',
    "folder of the mesh's own authority, made there when there is none: the --dir of nsm pki",
    {
      default: defaultPkiDir,
      parse: path,
    },
  );
