// What the MTU of a connection becomes, by who asks for what and what the way allows.
import { create } from '@bufbuild/protobuf';
import { type Interface, InterfaceSchema, InterfaceType } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { agreedMtu, askedMtu, localMtu, tunnelledMtu, wireMtu } from './mtu.js';

const { KERNEL_INTERFACE, MEM_INTERFACE } = InterfaceType;
const side = (mtu?: string, type: InterfaceType = KERNEL_INTERFACE): Interface =>
  create(InterfaceSchema, {
    type,
    parameters: { interfaceParameters: mtu === undefined ? {} : { mtu } },
  });

describe('the MTU', () => {
  it.each([
    // client asks, told before, endpoint names, is
    [undefined, undefined, 0, 1500],
    [undefined, undefined, 9000, 9000],
    [undefined, undefined, 70_000, 65_535],
    ['9000', undefined, 0, 9000],
    ['9000', undefined, 1430, 1430],
    ['1400', undefined, 9000, 1400],
    ['65535', undefined, 0, 65_535],
    // Made anew: what the client was told holds, unless the endpoint names another.
    [undefined, 1450, 0, 1450],
    [undefined, 9000, 0, 9000],
    [undefined, 1450, 9000, 9000],
    ['9000', 1450, 0, 9000],
  ])('on one node: asked %s, told %s, named %i: %i', (asked, told, named, mtu) => {
    expect(agreedMtu(localMtu(side(asked), side(), told), named)).toBe(mtu);
  });

  it.each([
    [1450, undefined, 0, 0, 1450],
    [8950, undefined, 0, 0, 8950],
    [8950, undefined, 0, 9000, 8950],
    [8950, '1400', 0, 0, 1400],
    [1450, '9000', 0, 0, 1450],
    [1450, undefined, 1500, 0, 1450],
    [8950, undefined, 1450, 0, 1450],
    [8950, undefined, 1500, 9000, 8950],
  ])('through a tunnel of %i: asked %s, told %i, named %i: %i', (way, asked, told, named, mtu) => {
    expect(agreedMtu(tunnelledMtu(way, side(asked), told), named)).toBe(mtu);
  });

  it('of shared memory and a kernel interface is at most what a TAP device takes', () => {
    expect(agreedMtu(localMtu(side(), side(undefined, MEM_INTERFACE)), 65_535)).toBe(65_521);
  });

  it('of a wire is what is asked for', () => {
    expect(wireMtu(side())).toEqual({ usual: 1500, most: 1500 });
    expect(wireMtu(side('9000'))).toEqual({ usual: 9000, most: 9000, asked: 9000 });
  });

  it.each(['', '0', '67', '65536', '1e3', '-1', '1500 '])('is refused when it is asked for as %j', (text) => {
    expect(() => askedMtu(side(text))).toThrow(/must be 68 to 65535 bytes/);
  });
});
