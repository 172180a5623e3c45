// A memif and a TAP device as one wire.
import type { Poller, UnixSocket } from '@nsm/netlink';
import type { MemoryShare } from '../tap/memory-shares.js';
import { type Counters, SharedTap, type SharedTapSpec } from '../tap/shared-tap.js';
import { messageSize } from './memif-messages.js';
import { MemifSession, type MemifSettings } from './memif-session.js';

export type MemifTapSpec = SharedTapSpec & MemifSettings;

export class MemifTap extends SharedTap {
  /** @throws NetlinkError when the socket cannot be made; the TAP device is closed then. */
  constructor(
    spec: MemifTapSpec,
    share: MemoryShare,
    poller: Poller,
    counters: Counters,
    onTapGone: () => void,
  ) {
    const begin = (socket: UnixSocket) => new MemifSession(socket, spec, share);
    super(spec, { kind: 'packets', messageSize, share, begin }, poller, counters, onTapGone);
  }
}
