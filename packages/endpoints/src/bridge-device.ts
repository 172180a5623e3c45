// A bridge in this process's network namespace that takes in the devices it is told of, as they appear.
import { createHash } from 'node:crypto';
import { NsmError } from '@nsm/api';
import { formatMac, NetlinkError, type RouteEvent, RouteMonitor, RouteSocket } from '@nsm/netlink';

/** Marks a bridge as one that may be replaced. */
const alias = 'bridge of an nsm endpoint';

export interface BridgeDeviceOptions {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** Its own, with prefix length. */
  readonly addresses: readonly string[];
}

export class BridgeDevice implements Disposable {
  readonly #socket: RouteSocket;
  readonly #monitor: RouteMonitor;
  readonly #index: number;
  /** Names of devices, by whose they are. */
  readonly #expected = new Map<string, string>();
  #closed = false;

  /**
   * A bridge that a crash left behind is replaced.
   * @throws NsmError `conflict` when the name is another program's, `privilege`, `dataplane`.
   */
  constructor({ name, mtu, addresses }: BridgeDeviceOptions) {
    this.#socket = RouteSocket.open();
    try {
      const present = this.#socket.link(name);
      if (present && present.alias !== alias)
        throw new NsmError('conflict', `there is a device "${name}" already; choose another --device`);
      if (present) this.#socket.deleteLink(present.index);
      // Nothing but pods is on it: no loops to look for, and no groups that anybody would have to ask for.
      const bridge = { stp: false, forwardDelay: 0, multicastSnooping: false };
      this.#socket.addLink({ kind: 'bridge', name, mac: macOf(addresses), mtu, alias, up: true, ...bridge });
      this.#index = this.#socket.link(name)?.index ?? 0;
      for (const address of addresses) this.#socket.addAddress(this.#index, { address, nodad: true });
      this.#monitor = RouteMonitor.open({ groups: ['link'] });
    } catch (thrown) {
      if (this.#socket.link(name)?.alias === alias) this.#socket.deleteLink(name);
      this.#socket.close();
      throw explained(thrown);
    }
    this.#monitor.on('event', (event) => this.#heed(event));
  }

  /**
   * Takes in a device when it appears, and whenever it appears again.
   * @param owner has one device: of an earlier name no notice is taken any more.
   */
  expect(owner: string, name: string): void {
    this.#expected.set(owner, name);
    // The bridge may be there already, when this process was restarted.
    const link = this.#socket.link(name);
    if (link) this.#takeIn(link.index, link.master);
  }

  /** Takes no notice of a device any more. */
  forget(owner: string, name: string): void {
    if (this.#expected.get(owner) === name) this.#expected.delete(owner);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#monitor.close();
    try {
      this.#socket.deleteLink(this.#index);
    } catch (error) {
      if (!isGone(error)) throw explained(error);
    } finally {
      this.#socket.close();
    }
  }

  #heed(event: RouteEvent): void {
    if (event.type === 'link' && event.action === 'new' && this.#isExpected(event.link.name))
      this.#takeIn(event.link.index, event.link.master);
    if (event.type !== 'overrun') return;
    for (const { name, index, master } of this.#socket.links())
      if (this.#isExpected(name)) this.#takeIn(index, master);
  }

  #isExpected(name: string): boolean {
    for (const expected of this.#expected.values()) if (expected === name) return true;
    return false;
  }

  #takeIn(index: number, master: number | undefined): void {
    if (master === this.#index || this.#closed) return;
    try {
      this.#socket.setLink(index, { master: this.#index });
    } catch (error) {
      if (!isGone(error)) throw explained(error);
    }
  }
}

/**
 * Without one of its own a bridge has the lowest of its members' hardware addresses, another whenever one comes or goes.
 * The hardware address follows from the addresses, so that no neighbour entry goes stale when the bridge is made again.
 */
function macOf(addresses: readonly string[]): string {
  const bytes = createHash('sha256').update(addresses.join()).digest().subarray(0, 6);
  // Locally administered, of one device (IEEE 802, 8.4), and no IP by its first digit (RFC 8469).
  bytes[0] = 0x02;
  return formatMac(bytes);
}

/** A device that has gone since needs nothing. */
function isGone(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === 'ENODEV';
}

function explained(thrown: unknown): NsmError {
  if (!(thrown instanceof NetlinkError)) return NsmError.from(thrown);
  if (thrown.code === 'EPERM')
    return new NsmError(
      'privilege',
      `the bridge needs CAP_NET_ADMIN in its network namespace (${thrown.message})`,
      thrown,
    );
  const lacks = thrown.code === 'EOPNOTSUPP' ? 'this kernel lacks bridges: modprobe bridge ' : '';
  return new NsmError('dataplane', `${lacks}${lacks ? `(${thrown.message})` : thrown.message}`, thrown);
}
