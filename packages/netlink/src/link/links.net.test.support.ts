// What the suites of links share.
import { ipJson, type TestNamespace } from '@nsm/testkit';
import { NetlinkError } from '../libc/netlink-error.js';

/** A link as `ip` shows it. */
export async function shown({ name }: TestNamespace, link: string): Promise<Record<string, unknown>> {
  const [first] = await ipJson(name, ['link', 'show', 'dev', link]);
  return first!;
}

/** The code with which the kernel refuses; `none` when it does not. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
  return 'none';
}
