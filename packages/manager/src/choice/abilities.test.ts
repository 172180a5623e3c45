// What a forwarder can do is what it told last.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import { expect, it } from 'vitest';
import { Abilities } from './abilities.js';

const { KERNEL_INTERFACE, HW_INTERFACE } = InterfaceType;
const { VXLAN, GRE } = TunnelType;

it('abilities are learnt anew from another forwarder, and told where they differ', async () => {
  let capabilities: MessageInitShape<typeof fw.CapabilitiesSchema> = {
    interfaces: [{ type: KERNEL_INTERFACE }, { type: HW_INTERFACE, missing: 'no pool', pools: [] }],
    tunnels: [
      { type: VXLAN, missing: 'no vxlan' },
      { type: GRE, missing: 'no gre' },
    ],
    joins: [{ client: KERNEL_INTERFACE, endpoint: KERNEL_INTERFACE }],
  };
  const told: string[] = [];
  const tell = (fields: object, message: string): void =>
    void told.push(`${Object.values(fields)[0]}: ${message}`);
  const abilities = new Abilities({
    forwarder: { getCapabilities: async () => create(fw.CapabilitiesSchema, capabilities) },
    logger: { info: tell, warn: tell } as never,
  });
  const { wirings, missingCapabilities, physical } = abilities;
  const known = () => [
    wirings.tunnelled(KERNEL_INTERFACE),
    missingCapabilities.ofTunnels([GRE], []),
    physical.get(HW_INTERFACE),
  ];

  await abilities.learn();
  expect(known()).toEqual([false, 'GRE: no gre', []]);
  expect(told.splice(0)).toEqual([
    'HW_INTERFACE: interface type not available on this node',
    'VXLAN: tunnel type not available on this node',
    'GRE: tunnel type not available on this node',
  ]);

  capabilities = {
    interfaces: [{ type: KERNEL_INTERFACE }, { type: HW_INTERFACE, pools: ['lan'] }],
    tunnels: [{ type: VXLAN, missing: 'no vxlan' }, { type: GRE }],
    joins: [{ client: KERNEL_INTERFACE, tunnel: GRE }],
  };
  await abilities.learn();
  expect(known()).toEqual([true, '', ['lan']]);
  expect(wirings.locally(KERNEL_INTERFACE, KERNEL_INTERFACE)).toBe(false);
  expect(told.splice(0)).toEqual([
    'HW_INTERFACE: interface type available again on this node',
    'GRE: tunnel type available again on this node',
  ]);
});
