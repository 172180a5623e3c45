// The rights of the product's service accounts: none that is not used, and all that are needed. Runs last, as the other suites are the use.
import { describe, expect, it } from 'vitest';
import { type Rule, rightsOf, usedRights } from './audit-log.js';
import { auditLog } from './config.js';
import { system } from './installation.js';

if (auditLog === undefined)
  process.stderr.write('not run: rights: NSM_TEST_AUDIT_LOG names no audit log of the API server\n');

/**
 * Not asked for within the time of the suites (certificates are made anew long before their end; a claim is given back when its taking
 * failed half-way), or asked by the API server itself.
 */
const unseen = [
  'update secrets',
  'delete leases.coordination.k8s.io',
  'patch networkservicepolicies/status.networkservicemesh.io',
  'approve signers.certificates.k8s.io',
  'sign signers.certificates.k8s.io',
];

interface Binding {
  readonly roleRef: { readonly name: string };
  readonly subjects?: readonly { readonly name: string }[];
}

describe.skipIf(auditLog === undefined)('rights', () => {
  it.each(['nsm-manager', 'nsm-signer', 'nsm-webhook'])(
    'of %s are exactly those that it uses',
    async (account) => {
      const given = async (kind: string): Promise<string[]> => {
        const bindings = await system.list<Binding>(`${kind}bindings`);
        const own = bindings.filter(({ subjects = [] }) => subjects.some(({ name }) => name === account));
        const names = own.map(({ roleRef }) => `${kind}/${roleRef.name}`);
        const roles = await Promise.all(names.map((name) => system.get<{ readonly rules: Rule[] }>(name)));
        return rightsOf(roles.flatMap(({ rules }) => rules));
      };
      // What was refused has been asked for, too.
      const { atHome, elsewhere } = usedRights(auditLog ?? '', account);
      const without = (rights: readonly string[]): string[] =>
        rights.filter((right) => !unseen.includes(right));
      expect({ atHome: without(atHome), elsewhere: without(elsewhere) }).toEqual({
        atHome: without(await given('role')),
        elsewhere: without(await given('clusterrole')),
      });
    },
  );
});
