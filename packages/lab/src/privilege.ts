// May this process make network namespaces, and if not even a user namespace of its own: what forbids it.
import { readFileSync } from 'node:fs';

// linux/capability.h
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;
const CAP_SYS_ADMIN = 21n;
const needed = (1n << CAP_NET_ADMIN) | (1n << CAP_NET_RAW) | (1n << CAP_SYS_ADMIN);

/** True with the capabilities that namespaces, links and ping need. Root in a container may lack them. */
export function mayMakeNamespaces(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & needed) === needed;
}

/** Settings of the kernel that forbid user namespaces to ordinary users, and what to do about each. */
const settings = [
  {
    path: '/proc/sys/user/max_user_namespaces',
    forbids: '0',
    name: 'user.max_user_namespaces',
    mend: '15000',
  },
  // Debian's and Arch's patch.
  {
    path: '/proc/sys/kernel/unprivileged_userns_clone',
    forbids: '0',
    name: 'kernel.unprivileged_userns_clone',
    mend: '1',
  },
  // Ubuntu 23.10 and later.
  {
    path: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    forbids: '1',
    name: 'kernel.apparmor_restrict_unprivileged_userns',
    mend: '0',
  },
] as const;

/** Which permission is missing and what to do, for people. `refusal` is what `unshare` said. */
export function explainRefusal(
  refusal: string,
  read: (path: string) => string | undefined = readSetting,
): string {
  const found = settings.filter(({ path, forbids }) => read(path) === forbids);
  const causes = found.map(
    ({ name, forbids, mend }) => `${name} is ${forbids}; an administrator can run: sysctl -w ${name}=${mend}`,
  );
  if (causes.length === 0)
    causes.push(
      'no setting of the kernel forbids it: a container runtime (seccomp, AppArmor, SELinux) does; ' +
        'run the container with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW',
    );
  return (
    'a lab needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW) or a user namespace of its own, ' +
    `and this user may not make one (${refusal || 'refused'}): ${causes.join('; ')}; or run it with sudo`
  );
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
