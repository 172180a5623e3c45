// What --filter says, as the kernel takes it.
import { NsmError } from '@nsm/api';
import { compileFilter, NoLibpcapError } from '@nsm/netlink';
import { UsageError } from '../../exit-status.js';

/** @throws NsmError `dataplane` without libpcap, UsageError with what is wrong with the expression. */
export function filterProgram(expression: string | undefined): Uint8Array {
  if (expression === undefined) return new Uint8Array();
  try {
    return compileFilter(expression);
  } catch (error) {
    if (error instanceof NoLibpcapError)
      throw new NsmError(
        'dataplane',
        'filters are compiled by libpcap, which is not installed here: apt-get install libpcap0.8 (Debian, Ubuntu), or ' +
          'dnf install libpcap; without --filter nothing is needed',
        error,
      );
    throw new UsageError(`--filter "${expression}": ${(error as Error).message}; see pcap-filter(7)`);
  }
}
