// The tunnels of a bare manager, with the devices, the program and the map entries of the forwarder's own, and nothing else.
import { TunnelPrograms } from '@nsm/forwarder/tunnel-programs';
import { vxlan } from '@nsm/forwarder/vxlan';
import { currentNamespace, type NetworkNamespace, openNamespace, RouteSocket } from '@nsm/netlink';
import { configure, type End, resolveNeighbour } from './kernel-work.js';

export interface Tunnel {
  readonly number: number;
  readonly local: string;
  readonly remote: string;
}

/** Above those of managers, with whom the programs on the uplink are shared. */
const firstIdentifier = 0x10_0000;
/** Of an entry that is always there: managers take the programs off the uplink after the last tunnel. */
const standing = 0xff_ffff;
const mtu = { pod: 1450, nodeEnd: 65_535 } as const;

/** In the namespace of the calling thread, as all its methods. */
export class BareTunnels {
  readonly #node: RouteSocket;
  readonly #home: NetworkNamespace = currentNamespace();
  readonly #programs: TunnelPrograms;
  readonly #uplink: number;

  /** @param node socket in the node's own namespace. */
  constructor(node: RouteSocket) {
    this.#node = node;
    this.#uplink = node.link('uplink')?.index ?? 0;
    this.#programs = new TunnelPrograms(node);
    for (const program of ['nsm_unwrap', 'nsm_leave'] as const) this.#programs.attach(this.#uplink, program);
    this.#write(this.#uplink, standing, { local: '127.0.0.1', remote: '127.0.0.1' });
  }

  /** @returns name and index of the node's end, with which the tunnel goes. */
  connect(
    alias: string,
    end: End,
    { number, ...ends }: Tunnel,
    resolve: boolean,
  ): { name: string; index: number } {
    using namespace = openNamespace(end.namespace);
    using socket = RouteSocket.open(namespace);
    // As managers name theirs, which they leave alone.
    const name = `nst${number.toString(16).padStart(12, '0')}`;
    const peer = { name, namespace: this.#home, mtu: mtu.nodeEnd };
    const made = socket.createLink({ kind: 'veth', name: end.name, mac: end.mac, mtu: mtu.pod, peer });
    const index = made.linkIndex ?? 0;
    this.#programs.attachToNew(index);
    this.#write(index, firstIdentifier + number, ends);
    this.#node.setLink(index, { alias, up: true });
    configure(socket, made.index, alias, end);
    // Asked for, it sends at once.
    this.#node.link(index);
    if (resolve) resolveNeighbour(socket, made.index, end.peerAddress);
    return { name, index };
  }

  /** Forgets a tunnel whose node's end is gone. */
  forget(index: number): void {
    this.#programs.maps.delete(index);
  }

  /** What stands works on. */
  close(): void {
    this.forget(this.#uplink);
    this.#programs.close();
    this.#home.close();
  }

  #write(index: number, identifier: number, ends: Omit<Tunnel, 'number'>): void {
    this.#programs.maps.write(index, {
      code: vxlan.code,
      ...ends,
      identifier,
      port: vxlan.port ?? 0,
      uplink: this.#uplink,
      mtu: mtu.pod,
      checked: false,
      needsLink: false,
      senderKnown: false,
      elsewhere: true,
    });
  }
}
