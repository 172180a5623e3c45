// The rights of the product's service accounts: none that is not used, and all that are needed. Runs last, as the other suites are the use.
import { describe, expect, it } from 'vitest';
import { type Rule, rightsOf, usedRights } from './audit-log.js';
import { auditLog } from './config.js';
import { system } from './installation.js';

if (auditLog === undefined)
  process.stderr.write('not run: rights: NSM_TEST_AUDIT_LOG names no audit log of the API server\n');

describe.skipIf(auditLog === undefined)('rights', () => {
  it.each(['nsm-manager', 'nsm-webhook'])('of %s are exactly those that it uses', async (account) => {
    const given = async (kind: string): Promise<string[]> =>
      rightsOf((await system.get<{ readonly rules: Rule[] }>(`${kind}/${account}`)).rules);
    // What was refused has been asked for, too.
    expect(usedRights(auditLog ?? '', account)).toEqual({
      atHome: await given('role'),
      elsewhere: await given('clusterrole'),
    });
  });
});
