// Where a daemon's credentials come from: the first source that is configured, otherwise the mesh's own authority on this machine.
import { join } from 'node:path';
import { isManagerName, isName, managerNameRule, NsmError, nameRule, systemCodeOf } from '@nsm/api';
import { FileCredentials } from './file-credentials.js';
import { JoinedCredentials } from './joined-credentials.js';
import { type MachineCredentials, type Owner, type PkiLogger, wordsOf } from './machine-credentials.js';
import { OwnCredentials } from './own-credentials.js';
import { SpiffeCredentials } from './spiffe-credentials.js';

export interface CredentialSources {
  /** Plain text, and anybody may call. */
  readonly insecure?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  /** Socket of the SPIFFE Workload API. */
  readonly spiffeSocket?: string;
  /** TOKEN@HOST:PORT. */
  readonly join?: string;
  /** Folder of the mesh's own authority. */
  readonly pkiDir: string;
  /** Where this daemon keeps what is its own alone. */
  readonly stateDir: string;
}

/**
 * @returns undefined for plain text.
 * @throws NsmError `invalid` of sources that do not give a certificate for the owner.
 */
export async function openCredentials(
  sources: CredentialSources,
  owner: Owner,
  logger: PkiLogger,
): Promise<MachineCredentials | undefined> {
  refuseSeveral(sources);
  if (sources.insecure) {
    logger.warn(
      { security: 'insecure' },
      'plain text (--insecure): whoever reaches the port can do as a manager can',
    );
    return undefined;
  }
  const isManager = owner.kind === 'manager';
  if (!(isManager ? isManagerName : isName)(owner.name))
    throw new NsmError(
      'invalid',
      `the name of the ${owner.kind}, ${JSON.stringify(owner.name)}, ${isManager ? managerNameRule : nameRule}. It is the host name where ` +
        '--name gives no other',
    );
  const credentials = await open(sources, owner, logger);
  const { domain } = credentials.current.identity;
  logger.info(
    { security: 'mtls', domain, source: credentials.source, validUntil: credentials.validUntil },
    'the certificate for other machines',
  );
  return credentials;
}

/** Of two answers to who this is, whoever wrote them cannot know which holds. The files of one source go together. */
function refuseSeveral({
  insecure,
  tlsCert,
  tlsKey,
  tlsCa,
  spiffeSocket,
  join: ticket,
}: CredentialSources): void {
  const said = [
    ...(insecure ? ['--insecure'] : []),
    ...((tlsCert ?? tlsKey ?? tlsCa) === undefined ? [] : ['--tls-cert, --tls-key and --tls-ca']),
    ...(spiffeSocket === undefined ? [] : ['--spiffe-socket']),
    ...(ticket === undefined ? [] : ['--join']),
  ];
  if (said.length > 1)
    throw new NsmError(
      'invalid',
      `${said.join(' and ')} exclude each other: give one of them, or none, and see the variables NSM_INSECURE, NSM_TLS_…, NSM_SPIFFE_SOCKET and NSM_JOIN`,
    );
}

async function open(
  sources: CredentialSources,
  owner: Owner,
  logger: PkiLogger,
): Promise<MachineCredentials> {
  const { tlsCert: cert, tlsKey: key, tlsCa: ca } = sources;
  if (cert !== undefined || key !== undefined || ca !== undefined) {
    if (cert === undefined || key === undefined || ca === undefined)
      throw new NsmError('invalid', '--tls-cert, --tls-key and --tls-ca go together');
    return new FileCredentials({ cert, key, ca }, owner, logger);
  }
  const { stateDir, join: ticket, spiffeSocket } = sources;
  if (spiffeSocket !== undefined) return await SpiffeCredentials.open(spiffeSocket, owner, logger);
  const joined = await JoinedCredentials.open(stateDir, ticket, owner, logger);
  return joined ?? ownCredentials(sources, owner, logger);
}

/** A process that may not use the folder for all has an authority of its own; one that can write nowhere trusts itself alone. */
function ownCredentials(
  { pkiDir, stateDir }: CredentialSources,
  owner: Owner,
  logger: PkiLogger,
): MachineCredentials {
  for (const folder of [pkiDir, join(stateDir, 'pki')])
    try {
      return new OwnCredentials(folder, owner, logger);
    } catch (error) {
      const code = systemCodeOf(error);
      if (!unusable.has(code)) throw error;
      logger.warn({ folder, err: wordsOf(error) }, 'no authority can be kept there');
    }
  return new OwnCredentials(undefined, owner, logger);
}

/** What the file system says of a folder that is not for this process, or of a disk that takes nothing. */
const unusable: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOSPC',
  'EDQUOT',
  'ENOTDIR',
  'EIO',
]);
