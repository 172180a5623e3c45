// Flags of commands that ask every manager of the mesh.
import { resolve } from 'node:path';
import type { Option } from 'commander';
import { flag, parseHostPort } from './flags.js';
import { defaultPkiDir } from './security-flags.js';

export interface OperatorFlags {
  /** Empty: the usual one. */
  readonly runDir: readonly string[];
  /** `[NAME@]HOST:PORT` of managers that are asked over TCP. */
  readonly manager: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly pkiDir: string;
  readonly insecure?: boolean;
}

const toPath = (text: string): string => resolve(text);

export const operatorFlags = (): Option[] => [
  flag('--run-dir <dir>', "folder of a manager's sockets on this machine; may be repeated", {
    list: true,
    defaultText: '/run/nsm',
    parse: toPath,
  }),
  flag('--manager <host:port>', 'manager to ask over TCP, as [NAME@]HOST:PORT; may be repeated', {
    list: true,
    defaultText: 'those that a manager of this machine knows',
    parse: parseManager,
  }),
  flag('--tls-cert <file>', "operator's certificate for the managers of other nodes", { parse: toPath }),
  flag('--tls-key <file>', 'its key', { parse: toPath }),
  flag('--tls-ca <file>', 'authorities whose certificates are believed', { parse: toPath }),
  flag('--pki-dir <dir>', "folder of the mesh's own authority, where this machine has it", {
    default: defaultPkiDir,
    parse: toPath,
  }),
  flag('--insecure', 'ask managers that have --insecure-operators, in plain text'),
];

function parseManager(text: string): string {
  const at = text.lastIndexOf('@');
  return `${text.slice(0, at + 1)}${parseHostPort(text.slice(at + 1))}`;
}
