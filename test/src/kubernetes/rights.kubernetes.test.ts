// The rights of the managers' service account: none that is not used, and all that are needed. Runs last, as the other suites are the use.
import { describe, expect, it } from 'vitest';
import { type Rule, rightsOf, usedRights } from './audit-log.js';
import { auditLog } from './config.js';
import { system } from './installation.js';

if (auditLog === undefined)
  process.stderr.write('not run: rights: NSM_TEST_AUDIT_LOG names no audit log of the API server\n');

describe.skipIf(auditLog === undefined)('rights of managers', () => {
  it('are exactly those that they use', async () => {
    const roles = await Promise.all(
      ['clusterrole', 'role'].map((kind) => system.get<{ readonly rules: Rule[] }>(`${kind}/nsm-manager`)),
    );
    const given = rightsOf(roles.flatMap(({ rules }) => rules));
    const { used, lacked } = usedRights(auditLog ?? '', 'nsm-manager');
    expect([...lacked]).toEqual([]);
    expect(given.filter((right) => !used.has(right))).toEqual([]);
  });
});
