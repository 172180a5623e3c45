// SR-IOV adapters and their virtual functions, as sysfs shows them (Documentation/ABI/testing/sysfs-bus-pci).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface Adapter {
  /** Name of its network device, the physical function. */
  readonly name: string;
  readonly driver: string;
  /** PCI address. */
  readonly pci: string;
  /** Virtual functions that the adapter can have; it has fewer until `sriov_numvfs` is written. */
  readonly total: number;
  readonly functions: readonly AdapterFunction[];
}

export interface AdapterFunction {
  /** Number within the adapter. */
  readonly index: number;
  readonly pci: string;
  /** '' when no driver serves it. */
  readonly driver: string;
  /** Its network device; undefined when the driver makes none, or the device is in another network namespace. */
  readonly device: string | undefined;
}

/** @param sysfs where sysfs is mounted. */
export function adaptersIn(sysfs: string): Adapter[] {
  const folder = join(sysfs, 'class', 'net');
  return entriesOf(folder).flatMap((name) => {
    const device = join(folder, name, 'device');
    const total = Number(textOf(join(device, 'sriov_totalvfs')));
    if (!(total > 0)) return [];
    const functions = entriesOf(device)
      .flatMap((entry) => /^virtfn(\d+)$/.exec(entry)?.[1] ?? [])
      .map((digits): AdapterFunction => {
        const path = join(device, `virtfn${digits}`);
        return {
          index: Number(digits),
          pci: linkedName(path),
          driver: linkedName(join(path, 'driver')),
          device: entriesOf(join(path, 'net'))[0],
        };
      })
      .toSorted((a, b) => a.index - b.index);
    return [{ name, driver: linkedName(join(device, 'driver')), pci: linkedName(device), total, functions }];
  });
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** What a symbolic link points to is named by its last part. */
function linkedName(path: string): string {
  try {
    return basename(readlinkSync(path));
  } catch {
    return '';
  }
}
