// Whether this process may make network namespaces, and saying so when a suite is skipped.
import { createNamespace, deleteNamespace } from '@nsm/netlink';

let reason: string | undefined | null = null;

/** Why network namespaces cannot be made here; undefined when they can. Tried once, by making one. */
export const missingPrivilege = (): string | undefined => {
  if (reason !== null) return reason;
  const name = `nsmt-${process.pid}-privilege`;
  try {
    createNamespace(name);
    deleteNamespace(name);
    reason = undefined;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  return reason;
};

/**
 * For `describe.skipIf(!requireRoot('links'))`: true when network namespaces can be made; otherwise prints why `suite` is
 * skipped and returns false. A user namespace with a tmpfs on /run will do.
 */
export const requireRoot = (suite: string): boolean => {
  const why = missingPrivilege();
  if (why !== undefined)
    process.stderr.write(
      `SKIPPED ${suite}: ${why}. Run as root, or under: unshare --user --map-root-user --net --mount\n`,
    );
  return why === undefined;
};
