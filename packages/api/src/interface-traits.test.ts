import { describe, expect, it } from 'vitest';
import { InterfaceType } from './gen/common_pb.js';
import { interfaceTypes, traitsOf, withFallbacks } from './interface-traits.js';

const { DEFAULT_INTERFACE, HW_INTERFACE, KERNEL_INTERFACE, MEM_INTERFACE, SRIOV_INTERFACE, VHOST_INTERFACE } =
  InterfaceType;

describe('interface traits', () => {
  it('list the types that DEFAULT_INTERFACE stands for, the best first', () => {
    expect(interfaceTypes).toEqual([
      KERNEL_INTERFACE,
      MEM_INTERFACE,
      VHOST_INTERFACE,
      SRIOV_INTERFACE,
      HW_INTERFACE,
    ]);
  });

  it.each([
    [KERNEL_INTERFACE, 'device pair move'],
    [MEM_INTERFACE, 'memif'],
    [VHOST_INTERFACE, 'vhost-user'],
    [SRIOV_INTERFACE, 'device wire'],
    [HW_INTERFACE, 'device wire'],
    [DEFAULT_INTERFACE, 'device'],
    [99 as InterfaceType, 'device'],
  ])('of type %i are: %s', (type, expected) => {
    const { hasDevice, hasOwnWire, makesPair, canMove, sharedMemory } = traitsOf(type);
    const traits = [
      hasDevice && 'device',
      hasOwnWire && 'wire',
      makesPair && 'pair',
      canMove && 'move',
      sharedMemory?.protocol,
    ];
    expect(traits.filter(Boolean).join(' ')).toBe(expected);
  });

  it('complete the parameters of a shared memory', () => {
    expect(withFallbacks(VHOST_INTERFACE, { ring_size: '64', socket: '/s' })).toEqual({
      ring_size: '64',
      queues: '1',
      socket: '/s',
    });
  });
});
