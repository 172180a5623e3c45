// Two TAP devices in two namespaces, to be joined by shared memory in both of its roles.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTap, Poller } from '@nsm/netlink';
import { makeNamespace, type TestNamespace, waitFor } from '@nsm/testkit';
import { MemifTap } from '../mem/memif-tap.js';
import { largestFrame } from '../tap/frame-sizes.js';
import { MemoryShares, newUse } from '../tap/memory-shares.js';
import type { Counters, SharedTap } from '../tap/shared-tap.js';
import { VhostTap } from '../vhost/vhost-tap.js';

export type Role = 'server' | 'client';

export interface WireOptions {
  readonly log2RingSize?: number;
  readonly bufferSize?: number;
  readonly mtu?: number;
  readonly queues?: number;
}

export class Stage {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'nsmt-shared-'));
  readonly socket: string = join(this.folder, 'peer.sock');
  readonly poller: Poller = new Poller();
  readonly left: TestNamespace = makeNamespace('left');
  readonly right: TestNamespace = makeNamespace('right');
  /** Roles of wires whose TAP device was deleted. */
  readonly gone: Role[] = [];
  readonly #protocol: 'memif' | 'vhost-user';
  readonly #wires: SharedTap[] = [];
  readonly #shares = new MemoryShares({ sharedMemoryMib: 256, userFactor: 4 }, newUse());

  constructor(protocol: 'memif' | 'vhost-user') {
    this.#protocol = protocol;
  }

  /** A TAP device at one end. */
  wire(
    role: Role,
    pod: TestNamespace,
    address: string,
    { log2RingSize = 10, bufferSize = 2048, mtu = 1500, queues = 1 }: WireOptions = {},
  ): { readonly made: SharedTap; readonly counted: Counters } {
    pod.route.addLink({ kind: 'tap', name: 'tap0', mtu, up: true });
    pod.route.addAddress(pod.route.link('tap0')!.index, { address, nodad: true });
    const counted = { from: counter(), to: counter(), unheard: 0 };
    const lost = (): void => {
      this.gone.push(role);
    };
    const ends = {
      role,
      socket: this.socket,
      largestFrame: largestFrame(mtu),
      tap: openTap({ kind: 'tap', name: 'tap0', namespace: pod.namespace }).fd,
    };
    const made =
      this.#protocol === 'memif'
        ? new MemifTap(
            { ...ends, id: 3, secret: 'hush', log2RingSize, bufferSize },
            this.#shares.of({ pod: pod.name, uid: 0 }),
            this.poller,
            counted,
            lost,
          )
        : new VhostTap(
            { ...ends, queues, ringSize: 1 << log2RingSize },
            this.#shares.of({ pod: pod.name, uid: 0 }),
            this.poller,
            counted,
            lost,
          );
    this.#wires.push(made);
    return { made, counted };
  }

  carrier(pod: TestNamespace): boolean {
    return pod.route.link('tap0')?.lowerUp === true;
  }

  async connected(): Promise<void> {
    await waitFor(() => this.carrier(this.left) && this.carrier(this.right), {
      what: 'both ends having a carrier',
    });
  }

  close(): void {
    for (const wire of this.#wires.splice(0)) wire.close();
    this.poller.close();
    this.#shares.stop();
    this.left.remove();
    this.right.remove();
    rmSync(this.folder, { recursive: true });
  }
}

function counter() {
  return { packets: 0, bytes: 0, drops: 0 };
}
