// Of several engines that can make a cross-connect, the first that can go its way is taken.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import { expect, it } from 'vitest';
import type { Wiring } from '../port/wiring.js';
import { possibleWirings } from './choose-wiring.js';

const { KERNEL_INTERFACE } = InterfaceType;
const { VXLAN } = TunnelType;

const wiring = (engine: string): Wiring => ({
  engine,
  interface: KERNEL_INTERFACE,
  tunnel: VXLAN,
  probe: () => '',
  connect: () => [],
});
const [first, second] = [wiring('first'), wiring('second')];
const tried = [first, second].map((one) => ({ wiring: one, missing: '' }));
const wanted = create(fw.CrossConnectSchema, {
  client: { type: KERNEL_INTERFACE },
  tunnel: { type: VXLAN },
});
const enginesOf = (obstructed: readonly Wiring[]): string[] =>
  possibleWirings(tried, wanted, (one) => obstructed.includes(one)).map(({ engine }) => engine);

it('wirings that cannot go the way are left out, unless none can', () => {
  expect(enginesOf([])).toEqual(['first', 'second']);
  expect(enginesOf([first])).toEqual(['second']);
  // Each then says itself why not.
  expect(enginesOf([first, second])).toEqual(['first', 'second']);
});
