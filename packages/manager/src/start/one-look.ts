// What a pod has in its tables takes the forwarder as long to read as the pod likes: of what all pods wait for, each has one reading
// at a time.
import { Turns } from '@nsm/api';
import type { Forwarder } from '../forwarder-client.js';

export function oneLookAtATime(forwarder: Forwarder): Forwarder {
  const turns = new Turns();
  return {
    ...forwarder,
    listNetworks: (namespace, options) =>
      turns.take([String(namespace.inode)], () => forwarder.listNetworks(namespace, options)),
  };
}
