// What a container runtime leaves to a process.

/** Least capabilities of a manager that makes kernel interfaces. */
export const managerCapabilities = ['net_admin', 'net_broadcast', 'sys_admin', 'sys_ptrace'] as const;

/**
 * To be put before a command of root: it has these capabilities and no other, mounts of its own, and settings of the kernel that cannot
 * be written.
 */
export const contained = (...capabilities: readonly string[]): string[] => [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"',
  ...['sh', 'setpriv', '--inh-caps=-all'],
  `--bounding-set=${['-all', ...capabilities.map((name) => `+${name}`)].join()}`,
];
