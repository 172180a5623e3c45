// Agreeing on interface and tunnel types: the whole table against a plain statement of the rule.
import { create } from '@bufbuild/protobuf';
import {
  type Interface,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  TunnelSchema,
  TunnelType,
} from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseInterface, chooseTunnel, inOrderOfPreference, restrictTunnels } from './negotiation.js';

const { DEFAULT_INTERFACE, KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE } = InterfaceType;
const { NO_PREFERENCE, FIRST, SECOND, THIRD } = InterfacePreference;
const of = (type: InterfaceType, preference: InterfacePreference = NO_PREFERENCE): Interface =>
  create(InterfaceSchema, { type, preference });

describe('chooseInterface', () => {
  it('orders FIRST to FIFTH, then the rest as listed', () => {
    const list = [
      of(MEM_INTERFACE),
      of(KERNEL_INTERFACE, THIRD),
      of(VHOST_INTERFACE),
      of(DEFAULT_INTERFACE, FIRST),
    ];
    expect(inOrderOfPreference(list).map(({ type }) => type)).toEqual([
      DEFAULT_INTERFACE,
      KERNEL_INTERFACE,
      MEM_INTERFACE,
      VHOST_INTERFACE,
    ]);
  });

  it('takes the first that all three can do, over every combination of lists', () => {
    const types = [1, 2, 3, 4, 5] as InterfaceType[];
    const subset = fc.subarray(types);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(types, { minLength: 1 }),
        subset,
        subset,
        fc.boolean(),
        (client, endpoint, capable, ranked) => {
          const wanted = client.map((type, index) =>
            of(type, ranked && index < 5 ? ((index + 1) as InterfacePreference) : NO_PREFERENCE),
          );
          const expected = client.find(
            (type) => (endpoint.length === 0 || endpoint.includes(type)) && capable.includes(type),
          );
          const shuffled = ranked ? wanted.toReversed() : wanted;
          expect(
            chooseInterface(
              shuffled,
              endpoint.map((type) => of(type)),
              new Set(capable),
            )?.type,
          ).toBe(expected);
        },
      ),
    );
  });

  it('DEFAULT_INTERFACE takes KERNEL first, or the first of the endpoint', () => {
    const capable = new Set([KERNEL_INTERFACE, MEM_INTERFACE]);
    expect(chooseInterface([of(DEFAULT_INTERFACE)], [], capable)?.type).toBe(KERNEL_INTERFACE);
    expect(chooseInterface([of(DEFAULT_INTERFACE)], [of(DEFAULT_INTERFACE)], capable)?.type).toBe(
      KERNEL_INTERFACE,
    );
    expect(
      chooseInterface(
        [of(DEFAULT_INTERFACE)],
        [of(KERNEL_INTERFACE, SECOND), of(MEM_INTERFACE, FIRST)],
        capable,
      )?.type,
    ).toBe(MEM_INTERFACE);
    expect(chooseInterface([of(MEM_INTERFACE)], [of(DEFAULT_INTERFACE)], capable)?.type).toBe(MEM_INTERFACE);
  });
});

describe('chooseTunnel', () => {
  const tunnel = (type: TunnelType) => create(TunnelSchema, { type });
  it('takes the first of the other side that this one can do', () => {
    const { theirs, ours } = chooseTunnel(
      [tunnel(TunnelType.GRE), tunnel(TunnelType.MPLSoUDP), tunnel(TunnelType.VXLAN)],
      [tunnel(TunnelType.VXLAN), tunnel(TunnelType.MPLSoUDP)],
    );
    expect([theirs.type, ours.type]).toEqual([TunnelType.MPLSoUDP, TunnelType.MPLSoUDP]);
  });
  it('DEFAULT_TUNNEL leaves the choice to this side', () => {
    expect(chooseTunnel([tunnel(TunnelType.DEFAULT_TUNNEL)], [tunnel(TunnelType.VXLAN)]).ours.type).toBe(
      TunnelType.VXLAN,
    );
  });
  it('says what each side can do when nothing is shared', () => {
    expect(() => chooseTunnel([tunnel(TunnelType.GRE)], [tunnel(TunnelType.VXLAN)])).toThrowError(
      /offers GRE, this node can do VXLAN/,
    );
  });
});

describe('restrictTunnels', () => {
  const possible = [TunnelType.VXLAN, TunnelType.GRE, TunnelType.MPLSoUDP].map((type) =>
    create(TunnelSchema, { type }),
  );
  const typesOf = (wanted?: readonly TunnelType[], service = '') =>
    restrictTunnels(possible, new Map(wanted && [[service, wanted]]), 'vpn').map(({ type }) => type);

  it('keeps to what is wanted, in that order', () => {
    expect(typesOf()).toEqual([TunnelType.VXLAN, TunnelType.GRE, TunnelType.MPLSoUDP]);
    expect(typesOf([TunnelType.MPLSoUDP, TunnelType.MPLSoGRE, TunnelType.VXLAN])).toEqual([
      TunnelType.MPLSoUDP,
      TunnelType.VXLAN,
    ]);
    expect(typesOf([TunnelType.MPLSoGRE])).toEqual([]);
    expect(typesOf([TunnelType.GRE], 'vpn')).toEqual([TunnelType.GRE]);
    expect(typesOf([TunnelType.GRE], 'other')).toHaveLength(3);
  });
});
