// What both roles of a vhost-user connection need to know.
import { largestFrame } from '../shared/frame-sizes.js';

export interface VhostSettings {
  /** The server is the device, the client the driver. */
  readonly role: 'server' | 'client';
  /** Pairs of queues that a driver may use. One of ours uses one. */
  readonly queues: number;
  /** Descriptors in each queue of a driver of ours. */
  readonly ringSize: number;
  /** Bytes of the largest frame. */
  readonly largestFrame: number;
}

/** As a pod is told of its vhost-user interface. @param mtu of the connection, bytes. */
export function vhostSettings(
  { queues = '1', ring_size = '256' }: Readonly<Record<string, string>>,
  role: VhostSettings['role'],
  mtu: number,
): VhostSettings {
  return { role, queues: Number(queues), ringSize: Number(ring_size), largestFrame: largestFrame(mtu) };
}
