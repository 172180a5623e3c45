// What is said to a user who may make no namespaces at all.
import { describe, expect, it } from 'vitest';
import { explainRefusal } from './privilege.js';

const withSetting = (name: string, value: string) => (path: string) =>
  path.endsWith(name) ? value : undefined;

describe('explainRefusal', () => {
  it.each([
    ['max_user_namespaces', '0', 'sysctl -w user.max_user_namespaces=15000'],
    ['unprivileged_userns_clone', '0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
    [
      'apparmor_restrict_unprivileged_userns',
      '1',
      'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    ],
  ])('names %s', (name, value, remedy) => {
    expect(explainRefusal('unshare failed', withSetting(name, value))).toContain(remedy);
  });

  it('blames the container when no setting forbids it', () => {
    expect(explainRefusal('unshare failed: Operation not permitted', () => undefined)).toMatch(
      /\(unshare failed: Operation not permitted\).*seccomp.*CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW/,
    );
  });
});
