// What both roles of a vhost-user connection need to know.
import { InterfaceType, withFallbacks } from '@nsm/api';
import { largestFrame } from '../tap/frame-sizes.js';

export interface VhostSettings {
  /** The server is the device, the client the driver. */
  readonly role: 'server' | 'client';
  /** Pairs of queues that a driver may use. Our own driver uses one pair. */
  readonly queues: number;
  /** Descriptors in each queue of a driver of ours. */
  readonly ringSize: number;
  /** Bytes of the largest frame. */
  readonly largestFrame: number;
}

/** As a pod is told of its vhost-user interface. @param mtu of the connection, bytes. */
export function vhostSettings(
  parameters: Readonly<Record<string, string>>,
  role: VhostSettings['role'],
  mtu: number,
): VhostSettings {
  const { queues, ring_size } = withFallbacks(InterfaceType.VHOST_INTERFACE, parameters);
  return { role, queues: Number(queues), ringSize: Number(ring_size), largestFrame: largestFrame(mtu) };
}
