// Whether the kernel still keeps track of new connections here: a gateway's masquerading cannot do without.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Why no new connection of a client would get through, and what to do; undefined when there is room. Synchronous:
 * /proc/sys/net shows the namespace of the thread that opens it.
 * @param folder of the kernel's settings (Documentation/networking/nf_conntrack-sysctl.rst).
 */
export function trackingFull(folder = '/proc/sys/net/netfilter'): string | undefined {
  const [count, max] = ['nf_conntrack_count', 'nf_conntrack_max'].map((name) => read(join(folder, name)));
  // 0 stands for no limit.
  if (!count || !max || count < max) return undefined;
  return (
    `the kernel keeps track of ${count} connections here and drops what begins new ones: net.netfilter.nf_conntrack_max is ` +
    `${max}; raise it on the host by \`sysctl -w net.netfilter.nf_conntrack_max=…\``
  );
}

function read(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    // Connection tracking is not there.
    return undefined;
  }
}
