// A pod with many routes keeps the forwarder reading for long: of each pod one reading is under way at a time, so that other pods get
// their turn.
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
