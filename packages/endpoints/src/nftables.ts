// The gateway's nftables table. The one place of this package that starts a process: `nft`, at start and at close.
import { spawnSync } from 'node:child_process';
import { NsmError } from '@nsm/api';

const table = 'inet nsm_gateway';

/** The rules: addresses hidden behind the outside device, TCP segments no larger than the path carries. */
function gatewayRules(outside: string): string {
  const device = `"${outside}"`;
  return `table ${table}
delete table ${table}
table ${table} {
  chain forward {
    type filter hook forward priority mangle; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname ${device} masquerade
  }
}
`;
}

/** Installs the table in one transaction, in place of one that a crash left behind. */
export function installGatewayTable(outside: string): void {
  // What the kernel allows in a device name is more than what nft takes in quotes.
  if (!/^[\w.@:+-]{1,15}$/.test(outside)) throw new NsmError('invalid', `"${outside}" is not a device name`);
  nft(gatewayRules(outside));
}

/** Removes the table; one that is not there is fine. */
export function deleteGatewayTable(): void {
  nft(`table ${table}\ndelete table ${table}\n`);
}

function nft(script: string): void {
  // The child is started from the calling thread and so inherits its network namespace.
  const result = spawnSync('nft', ['-f', '-'], { input: script, encoding: 'utf8', timeout: 10_000 });
  if (result.error && 'code' in result.error && result.error.code === 'ENOENT')
    throw new NsmError('dataplane', 'the gateway needs nft: apt-get install nftables', result.error);
  if (result.error) throw new NsmError('dataplane', `cannot run nft: ${result.error.message}`, result.error);
  if (result.status === 0) return;
  const said = result.stderr.trim().split('\n')[0] ?? '';
  if (/Operation not permitted|must be root/.test(result.stderr))
    throw new NsmError(
      'privilege',
      `the gateway needs CAP_NET_ADMIN in its network namespace: nft says ${said}`,
    );
  throw new NsmError('dataplane', `nft refused the gateway's rules: ${said}`);
}
