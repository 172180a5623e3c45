// Which managers a view of the whole mesh asks, and how: those of this machine by admin.sock, all others as an operator, over TCP.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Channel, identityOf, isIdentityName, NsmError } from '@nsm/api';
import {
  Authority,
  type MachineCredentials,
  OwnCredentials,
  openCredentials,
  type PkiLogger,
} from '@nsm/pki';
import { ManagerLink } from '@nsm/sdk';
import { defaultRunDir } from '../flags/common-flags.js';
import type { OperatorFlags } from '../flags/operator-flags.js';

/** Bytes: tens of thousands of connections in one list. */
const maxReplyBytes = 64 << 20;

/** How a manager is asked. Its channel is closed by whoever asks. */
export interface AskedManager {
  /** For people: a folder, or HOST:PORT. */
  readonly where: string;
  readonly channel: Channel;
  readonly isLocal: boolean;
  /** Says which manager was asked, where a call fails. */
  readonly explain: (thrown: unknown) => NsmError;
}

/** A manager as another one knows it. */
export interface KnownManager {
  readonly name: string;
  readonly address: string;
  readonly security: string;
}

export interface ManagersToAsk {
  /** Those of the command line; by default the one of this node. */
  readonly asked: readonly AskedManager[];
  /** How one is asked that another manager knows; a text says why it cannot be. */
  ask(manager: KnownManager): AskedManager | string;
}

/** @throws NsmError `invalid` for managers over TCP without a certificate */
export function managersToAsk(
  { runDir, manager, insecure = false }: Pick<OperatorFlags, 'runDir' | 'manager' | 'insecure'>,
  credentials: MachineCredentials | undefined,
): ManagersToAsk {
  const overTcp = (name: string, address: string): AskedManager => {
    const expected = { kind: 'manager', ...(name ? { name } : {}) } as const;
    const channel = new Channel(address, { maxReplyBytes, credentials, expected });
    return { where: address, channel, isLocal: false, explain: NsmError.from };
  };
  const runDirs = runDirsOf({ runDir, manager });
  const asked = [
    ...runDirs.map((dir) => bySocket(resolve(dir))),
    ...manager.map((text) => {
      if (!credentials && !insecure) throw new NsmError('invalid', noCertificate);
      const at = text.lastIndexOf('@');
      return overTcp(text.slice(0, Math.max(at, 0)), text.slice(at + 1));
    }),
  ];
  const ask = ({ name, address, security }: KnownManager): AskedManager | string => {
    if (security === 'insecure') return insecure ? overTcp(name, address) : inPlainText;
    return credentials ? overTcp(name, address) : noCertificate;
  };
  return { asked, ask };
}

/** Those that the command line names; the usual one where it names no manager at all. */
export function runDirsOf({ runDir, manager }: Pick<OperatorFlags, 'runDir' | 'manager'>): readonly string[] {
  return runDir.length > 0 || manager.length > 0 ? runDir : [defaultRunDir];
}

function bySocket(runDir: string): AskedManager {
  const link = new ManagerLink(join(runDir, 'admin.sock'));
  return {
    where: runDir,
    channel: link.channel,
    isLocal: true,
    explain: (thrown) => link.explain(thrown),
  };
}

const noCertificate =
  'other nodes show themselves to operators: --tls-cert, --tls-key and --tls-ca, of nsm pki issue NAME --operator';
const inPlainText =
  'it speaks plain text: start this with --insecure, and the manager with --insecure-operators';

/** @returns undefined where this machine has neither a certificate of an operator nor the mesh's authority. */
export async function operatorCredentials(
  { tlsCert, tlsKey, tlsCa, pkiDir, insecure }: Omit<OperatorFlags, 'runDir' | 'manager'>,
  logger: PkiLogger,
): Promise<MachineCredentials | undefined> {
  if (insecure) return undefined;
  if (tlsCert !== undefined || tlsKey !== undefined || tlsCa !== undefined) {
    const sources = {
      ...(tlsCert === undefined ? {} : { tlsCert }),
      ...(tlsKey === undefined ? {} : { tlsKey }),
      ...(tlsCa === undefined ? {} : { tlsCa }),
      pkiDir,
      stateDir: pkiDir,
    };
    return await openCredentials(sources, { kind: 'operator', name: nameIn(tlsCert) }, logger);
  }
  const name = isIdentityName(hostname()) ? hostname() : 'operator';
  try {
    return Authority.isIn(pkiDir)
      ? new OwnCredentials(pkiDir, { kind: 'operator', name }, logger)
      : undefined;
  } catch (error) {
    // The mesh's authority is root's.
    if (!(error instanceof NsmError) && process.geteuid?.() !== 0) return undefined;
    throw error;
  }
}

/** Whose certificate that is; the file itself is judged where it is read. */
function nameIn(file: string | undefined): string {
  try {
    return identityOf(new X509Certificate(readFileSync(file ?? '')))?.name ?? 'operator';
  } catch {
    return 'operator';
  }
}
