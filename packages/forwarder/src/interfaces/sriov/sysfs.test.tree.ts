// A folder that looks like sysfs with one SR-IOV adapter; its functions' devices are real ones that stand in.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TestAdapter {
  readonly name: string;
  /** PCI address of the physical function; those of the functions follow. */
  readonly pci: string;
  readonly total: number;
  /** The network device of each virtual function; '' for one whose driver makes none, undefined for one without driver. */
  readonly functions: readonly (string | undefined)[];
}

/** @returns the folder that stands for `/sys`. */
export function makeSysfs(folder: string, { name, pci, total, functions }: TestAdapter): string {
  const sysfs = join(folder, 'sys');
  const bus = join(sysfs, 'devices', 'pci0000:00');
  const drivers = join(sysfs, 'bus', 'pci', 'drivers');
  const classFolder = join(sysfs, 'class', 'net');
  for (const driver of ['ixgbe', 'ixgbevf', 'vfio-pci'])
    mkdirSync(join(drivers, driver), { recursive: true });
  const physical = join(bus, pci);
  mkdirSync(join(physical, 'net', name), { recursive: true });
  writeFileSync(join(physical, 'sriov_totalvfs'), `${total}\n`);
  writeFileSync(join(physical, 'sriov_numvfs'), `${functions.length}\n`);
  symlinkSync(join(drivers, 'ixgbe'), join(physical, 'driver'));
  mkdirSync(join(classFolder, name), { recursive: true });
  symlinkSync(physical, join(classFolder, name, 'device'));
  // Devices that are no adapters are there too.
  mkdirSync(join(classFolder, 'lo'), { recursive: true });
  functions.forEach((device, index) => {
    const path = join(bus, pci.replace(/\.\d$/, `.${index + 1}`));
    mkdirSync(path, { recursive: true });
    symlinkSync(path, join(physical, `virtfn${index}`));
    if (device !== undefined)
      symlinkSync(join(drivers, device === '' ? 'vfio-pci' : 'ixgbevf'), join(path, 'driver'));
    if (device) mkdirSync(join(path, 'net', device), { recursive: true });
  });
  return sysfs;
}
