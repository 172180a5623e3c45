// Flags of whoever runs a forwarder: which devices of the node it may give to pods.
import type { DevicePool, LendingOptions, VfPool } from '@nsm/forwarder';
import type { Option } from 'commander';
import { parseHwPool, parseSriovPool } from './device-pool-flag.js';
import { flag } from './flags.js';

export interface LendingFlags {
  readonly hwPool: readonly DevicePool[];
  readonly sriovPool: readonly VfPool[];
  readonly sysfs: string;
}

export const lendingFlags = (): Option[] => [
  flag(
    '--hw-pool <name?key=pattern&…>',
    'devices of a physical network, for HW, by name, driver or pci: lab?name=ens*&driver=ixgbe; may be repeated',
    { list: true, parse: parseHwPool },
  ),
  flag(
    '--sriov-pool <name?key=value&…>',
    'adapters whose virtual functions are of a physical network, for SRIOV, by pf, driver or pci, and how to set those: ' +
      'fast?pf=ens1f0&vlan=100&spoof-check=on; may be repeated',
    { list: true, parse: parseSriovPool },
  ),
  flag('--sysfs <dir>', 'where sysfs is mounted', { default: '/sys' }),
];

type Lending = Pick<LendingOptions, 'hwPools' | 'sriovPools' | 'sysfs'>;

/** The flags as the forwarder takes them. */
export function lendingOf({ hwPool, sriovPool, sysfs }: LendingFlags): Lending {
  return { hwPools: hwPool, sriovPools: sriovPool, sysfs };
}
