// Flags of whoever keeps records in an etcd: what is shown to it.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { NsmError } from '@nsm/api/errors';
import type { EtcdOptions } from '@nsm/registry';
import type { Option } from 'commander';
import { etcdPassword } from '../config.js';
import { flag } from './flags.js';

export interface EtcdFlags {
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
}

const path = (text: string): string => resolve(text);

export const etcdFlags = (): Option[] => [
  flag('--etcd-ca <file>', "authorities of etcd's certificates (default: those of the system)", {
    parse: path,
  }),
  flag('--etcd-cert <file>', 'certificate to show to etcd', { parse: path }),
  flag('--etcd-key <file>', 'its key', { parse: path }),
  flag(
    '--etcd-user <name>',
    'user of etcd, with the password in the environment as NSM_ETCD_PASSWORD or in a file',
  ),
  flag('--etcd-password-file <file>', 'file with the password of that user', { parse: path }),
];

/** The flags as a registry takes them. @throws NsmError `invalid` when the file of the password cannot be read. */
export function etcdOf(flags: EtcdFlags): EtcdOptions {
  const { etcdCa: ca, etcdCert: cert, etcdKey: key, etcdUser: user, etcdPasswordFile: file } = flags;
  const password = file === undefined ? etcdPassword : passwordIn(file);
  const given = Object.entries({ ca, cert, key, user, password }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

function passwordIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new NsmError('invalid', `cannot read --etcd-password-file: ${NsmError.from(error).message}`, error);
  }
}
