// Checks of the certificate by which other machines know this manager.

import { type CertificateFacts, readCertificateFacts } from './certificate-facts.js';
import { broken, type Check, type Group, group, untried, warning, well } from './check.js';
import { findingCheck } from './findings-check.js';

const dayMs = 24 * 3_600_000;
/** An authority must be exchanged everywhere before it ends. */
const authorityDays = 30;

export const certificateChecks: readonly Check<CertificateFacts>[] = [
  findingCheck<CertificateFacts>({
    code: 'NSM0960',
    title: 'certificate',
    neededFor:
      'being believed by other managers: they refuse one that has expired. It is renewed when two thirds of its life are over',
    mend: 'cert-manager, SPIRE or whoever wrote the files renews them; `nsm pki issue NAME` writes new ones; `nsm manager --join TOKEN@HOST:PORT` gets another',
    well: ({ own, view, now }) =>
      own
        ? `from ${view.certificate?.source}: holds until ${own.validTo.toISOString()}, ${inDays(own.validTo.getTime() - now)} from now`
        : 'none: plain text',
  }),
  {
    code: 'NSM0961',
    title: 'chain',
    neededFor:
      'other managers, which follow the signatures from the certificate to an authority that they know',
    mend: 'put the certificates between into --tls-cert, behind the own one, and the authority into --tls-ca',
    judge: ({ own, chainFault }) => {
      if (!own) return undefined;
      return chainFault === ''
        ? well('the signatures lead to an authority that this manager itself believes')
        : broken(chainFault);
    },
  },
  {
    code: 'NSM0962',
    title: 'name',
    neededFor: 'other managers, which call this one by its name and believe no other',
    mend: 'a certificate with the URI spiffe://DOMAIN/manager/NAME, NAME being --name: `nsm pki issue NAME`',
    judge: ({ own, view }) => {
      if (!own) return undefined;
      const wanted = `/manager/${view.manager.name}`;
      return own.uris.some((uri) => uri.endsWith(wanted))
        ? well(own.uris.join(', '))
        : broken(
            `the certificate is for ${own.uris.join(', ') || 'nobody'}, and this manager is ${view.manager.name}`,
          );
    },
  },
  {
    code: 'NSM0964',
    title: 'trust between managers',
    neededFor: 'connections to other nodes: both managers need certificates of one authority',
    mend: '`nsm pki join-token` on the machine of the authority, then `nsm manager --join TOKEN@HOST:PORT`; or --tls-ca with both authorities',
    judge: ({ own, peers }) => {
      const refused = peers.filter(({ code }) => code === 'NSM0503');
      if (refused.length > 0)
        return refused.map(({ manager, error }) => broken(`${manager} ${error}`, renewal(manager, error)));
      if (!own || peers.length === 0) return undefined;
      const reached = peers.filter(({ error }) => error === '').map(({ manager }) => manager);
      return reached.length === 0
        ? untried('no other manager was reached')
        : well(`believed by ${reached.join(', ')}, and believes them`);
    },
  },
  {
    code: 'NSM0965',
    title: 'authorities',
    neededFor: 'all certificates that they have signed, which end with them',
    mend: 'another authority: its certificate behind the first in ca.crt everywhere, then its key (docs/operations.md#certificates)',
    judge: ({ own, authorities, now }) => {
      if (!own) return undefined;
      const ending = authorities.filter(({ validTo }) => validTo.getTime() < now + authorityDays * dayMs);
      if (ending.length === 0)
        return well(
          `${authorities.length === 1 ? 'one authority' : `${authorities.length} authorities`}, none of which ends soon`,
        );
      return ending.map(({ subject, validTo }) =>
        validTo.getTime() <= now
          ? broken(`authority ${subject} has ended, ${validTo.toISOString()}`)
          : warning(`authority ${subject} ends in ${inDays(validTo.getTime() - now)}`),
      );
    },
  },
  {
    code: 'NSM0966',
    title: 'key of the authority',
    neededFor: 'nobody else to be any manager: whoever has the key can',
    mend: '`chmod 600 /var/lib/nsm/pki/ca.key && chown root /var/lib/nsm/pki/ca.key`',
    judge: ({ keyFile }) => {
      if (!keyFile) return undefined;
      const { path, mode } = keyFile;
      return (mode & 0o077) === 0
        ? well(`${path} is its owner's alone`)
        : broken(
            `${path} has mode ${(mode & 0o777).toString(8)}: others can read it`,
            `\`chmod 600 ${path}\``,
          );
    },
  },
  findingCheck<CertificateFacts>({
    code: 'NSM0967',
    title: 'TLS between managers',
    neededFor: 'keeping everybody else on their network from acting as a manager',
    mend: 'start all managers without --insecure',
    well: () => 'all managers that say how they speak use mutual TLS',
  }),
  {
    code: 'NSM0968',
    title: 'clock and certificate',
    neededFor: 'the time from which the certificate holds',
    mend: '`timedatectl set-ntp true`',
    judge: ({ own, now }) => {
      if (!own) return undefined;
      return own.validFrom.getTime() > now
        ? broken(
            `the certificate holds from ${own.validFrom.toISOString()} on, which is not yet by the clock of this machine`,
          )
        : well('it holds already');
    },
  },
];

export const certificateGroup: Group = group<CertificateFacts>({
  name: 'certificates',
  title: 'Certificates',
  needsManager: true,
  read: readCertificateFacts,
  checks: certificateChecks,
});

function inDays(ms: number): string {
  return ms < 2 * dayMs ? `${Math.floor(ms / 3_600_000)} hours` : `${Math.floor(ms / dayMs)} days`;
}

/** What mends that a certificate has expired, that of the other manager or the own one; undefined of other refusals. */
export function renewal(manager: string, error: string): string | undefined {
  if (!error.includes('has expired')) return undefined;
  const [whose, name] = error.includes('refuses this process') ? ['this node', 'NAME'] : [manager, manager];
  return `renew the certificate of ${whose}: \`nsm pki issue ${name}\` on the machine of the authority, or \`nsm manager --join TOKEN@HOST:PORT\` anew`;
}
