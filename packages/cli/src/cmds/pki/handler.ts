// Makes an authority, certificates of it, and tokens to join with.
import { join } from 'node:path';
import { type IdentityKind, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { Authority, issueFiles, JoinTokens } from '@nsm/pki';
import type { InitFlags, IssueFlags, JoinTokenFlags } from './flags.js';

const dayMs = 24 * 3_600_000;

export function initAuthority({ dir, domain, json }: InitFlags): void {
  const output = new Output(json === true);
  const was = Authority.isIn(dir);
  const authority = open(dir, domain);
  if (was && authority.domain !== domain)
    throw new NsmError(
      'conflict',
      `${dir} has an authority of trust domain ${authority.domain}: it stays as it is`,
    );
  const { fingerprint256: fingerprint, validTo } = authority.certificate;
  if (output.json) output.value({ dir, domain, fingerprint, validUntil: new Date(validTo), made: !was });
  else {
    output.line(was ? `${dir} has an authority already` : `made an authority in ${dir}: keep ca.key safe`);
    output.list([
      ['trust domain', authority.domain],
      ['valid until', validTo],
      ['SHA-256', fingerprint],
    ]);
  }
}

export function issueCertificate(name: string, { dir, days, out, json, ...flags }: IssueFlags): void {
  const kind: IdentityKind = flags.operator ? 'operator' : flags.kind;
  const output = new Output(json === true);
  const files = issueFiles(existing(dir), { kind, name }, days * dayMs, out ?? join(dir, 'issued', name));
  if (output.json) output.value(files);
  else {
    output.line(`--tls-cert ${files.cert} --tls-key ${files.key} --tls-ca ${files.ca}`);
  }
}

export function makeJoinToken(name: string | undefined, { dir, life, json }: JoinTokenFlags): void {
  const output = new Output(json === true);
  const token = new JoinTokens(dir).create(existing(dir), life, name);
  if (output.json) output.value({ token, expires: new Date(Date.now() + life) });
  else {
    output.line(token);
  }
}

/** Tokens and certificates of an authority that no manager knows would be of no use. */
function existing(dir: string): Authority {
  if (!Authority.isIn(dir))
    throw new NsmError(
      'not-found',
      `${dir} has no authority: nsm pki init makes one, as does a manager that starts`,
    );
  return open(dir);
}

function open(dir: string, domain?: string): Authority {
  try {
    return Authority.open(dir, domain);
  } catch (error) {
    if (error instanceof NsmError) throw error;
    throw new NsmError('privilege', `${dir} cannot be used: ${(error as Error).message}`, error);
  }
}
