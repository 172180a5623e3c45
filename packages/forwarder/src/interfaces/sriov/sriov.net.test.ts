// Virtual functions found in sysfs and lent to pods. No adapter is needed: sysfs is a folder, veth devices stand in.
// What is said to an adapter is tested byte for byte in packages/netlink.
import { type forwarder as fw, InterfaceType } from '@nsm/api';
import { leaks, ping, requireRoot } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import type { VfPool } from '../../lending/device-source.js';
import { Stage } from '../../lending/lending.test.stage.js';
import type { LendingOptions } from '../../lending/lending-options.js';
import { adaptersIn } from './adapters.js';
import { makeSysfs } from './sysfs.test.tree.js';

const { signal } = new AbortController();
const SRIOV = InterfaceType.SRIOV_INTERFACE;

describe.skipIf(!requireRoot('sriov'))('virtual functions', () => {
  afterAll(() => expect(leaks()).toEqual([]));

  const optionsOf = (stage: Stage, settings: VfPool['settings'] = {}): LendingOptions => ({
    ...stage.options,
    sysfs: makeSysfs(stage.folder, {
      name: 'pf0',
      pci: '0000:3b:00.0',
      total: 8,
      functions: ['vf0', 'vf1', 'vf2', '', undefined, 'elsewhere'],
    }),
    sriovPools: [{ name: 'fast', match: { name: 'pf*', driver: 'ixgbe', pci: '0000:3b:*' }, settings }],
    hwPools: [{ name: 'lab', match: { name: 'pf0' } }],
  });
  const local = (stage: Stage, id: string, parameters: object = {}): fw.CrossConnect =>
    stage.local(id, { pool: 'fast', ...parameters }, SRIOV);
  const removal = (wanted: fw.CrossConnect): fw.RemoveRequest => ({
    $typeName: 'nsmforwarder.RemoveRequest',
    crossConnects: [wanted],
  });

  it('are read from sysfs', async () => {
    await using stage = new Stage([]);
    expect(adaptersIn(optionsOf(stage).sysfs!)).toEqual([
      {
        name: 'pf0',
        driver: 'ixgbe',
        pci: '0000:3b:00.0',
        total: 8,
        functions: [
          { index: 0, pci: '0000:3b:00.1', driver: 'ixgbevf', device: 'vf0' },
          { index: 1, pci: '0000:3b:00.2', driver: 'ixgbevf', device: 'vf1' },
          { index: 2, pci: '0000:3b:00.3', driver: 'ixgbevf', device: 'vf2' },
          { index: 3, pci: '0000:3b:00.4', driver: 'vfio-pci', device: undefined },
          { index: 4, pci: '0000:3b:00.5', driver: '', device: undefined },
          { index: 5, pci: '0000:3b:00.6', driver: 'ixgbevf', device: 'elsewhere' },
        ],
      },
    ]);
    expect(adaptersIn('/no/such/folder')).toEqual([]);
  });

  it('are lent once each, with their adapter kept, and come back', async () => {
    await using stage = new Stage(['pf0', 'vf0', 'vf1', 'vf2']);
    const before = await stage.devices();
    const forwarder = await stage.forwarder(optionsOf(stage));
    const wanted = local(stage, 'node:1');
    await forwarder.apply(wanted, { signal });
    expect(await ping(stage.client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    expect(Object.keys(await stage.devices())).toEqual(['routes', 'pf0', 'vf2']);
    await expect(forwarder.apply(local(stage, 'node:2'), { signal })).rejects.toMatchObject({
      kind: 'dataplane',
      message:
        'SRIOV_INTERFACE: pool "fast" has no free device on this node: vf0 is lent to node:1; vf1 is lent to node:1; vf2 is for the other side; ' +
        '0000:3b:00.4 has no network device on the node (driver vfio-pci); 0000:3b:00.5 has no driver; ' +
        '0000:3b:00.6 has no network device on the node (driver ixgbevf)',
    });
    await forwarder.remove(removal(wanted));
    expect(await stage.devices()).toEqual(before);
  });

  it('are not lent where the adapter does not take their settings', async () => {
    await using stage = new Stage(['pf0', 'vf0', 'vf1']);
    const before = await stage.devices();
    const settings = { vlan: { id: 100 }, spoofCheck: true, trust: false };
    const forwarder = await stage.forwarder(optionsOf(stage, settings));
    await expect(forwarder.apply(local(stage, 'node:1'), { signal })).rejects.toMatchObject({
      kind: 'dataplane',
      message: expect.stringMatching(
        /adapter pf0 does not take vlan, spoofCheck, trust for virtual function 0 \(EOPNOTSUPP/,
      ),
    });
    expect(await stage.devices()).toEqual(before);
    expect(stage.records()).toEqual([]);
  });

  it('say what is missing', async () => {
    await using stage = new Stage([]);
    const { sysfs } = optionsOf(stage);
    const none = await stage.forwarder({ sysfs: sysfs! });
    const missing = (await none.getCapabilities()).interfaces.map((capability) => capability.missing);
    expect(missing).toContain(
      'no pool of virtual functions is configured: --sriov-pool NAME?pf=PATTERN; this node has pf0 (6 of 8 virtual functions)',
    );
    expect(missing).toContain('no pool of network devices is configured: --hw-pool NAME?name=PATTERN');
  });
});
