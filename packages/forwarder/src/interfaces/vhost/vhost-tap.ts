// A vhost-user port and a TAP device as one wire.
import type { Poller, UnixSocket } from '@nsm/netlink';
import type { MemoryShare } from '../tap/memory-shares.js';
import { type Counters, SharedTap, type SharedTapSpec } from '../tap/shared-tap.js';
import { VhostDevice } from './vhost-device.js';
import { VhostDriver } from './vhost-driver.js';
import { messageSize } from './vhost-messages.js';
import type { VhostSettings } from './vhost-settings.js';

export type VhostTapSpec = SharedTapSpec & VhostSettings;

export class VhostTap extends SharedTap {
  /** @throws NetlinkError when the socket cannot be made; the TAP device is closed then. */
  constructor(
    spec: VhostTapSpec,
    share: MemoryShare,
    poller: Poller,
    counters: Counters,
    onTapGone: () => void,
  ) {
    const Role = spec.role === 'server' ? VhostDevice : VhostDriver;
    const begin = (socket: UnixSocket) => new Role(socket, spec, share);
    super(spec, { kind: 'stream', messageSize, share, begin }, poller, counters, onTapGone);
  }
}
