// A node with devices on a physical network: veth pairs stand in for adapters, a bridge in another namespace for the switch.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { ipJson, makeNamespace, type TestNamespace } from '@nsm/testkit';
import { NodeForwarder } from '../node-forwarder.js';
import type { LendingOptions } from './lending-options.js';

export class Stage implements AsyncDisposable {
  readonly node: TestNamespace = makeNamespace('node');
  readonly switch: TestNamespace = makeNamespace('switch');
  readonly client: TestNamespace = makeNamespace('client');
  readonly endpoint: TestNamespace = makeNamespace('endpoint');
  readonly folder: string = mkdtempSync(join(tmpdir(), 'nsm-lending-'));
  #forwarder: NodeForwarder | undefined;

  /** @param devices names of the devices that are plugged into the switch. */
  constructor(devices: readonly string[]) {
    this.switch.route.addLink({ kind: 'bridge', name: 'switch', up: true });
    for (const name of devices) this.plug(name);
  }

  plug(name: string, connected = true): void {
    const { index } = this.switch.route.link('switch')!;
    this.node.route.addLink({
      kind: 'veth',
      name,
      mtu: 1600,
      peer: {
        name: `port-${name}`,
        namespace: this.switch.namespace,
        up: true,
        mtu: 1600,
        ...(connected ? {} : { alias: 'unplugged' }),
      },
    });
    if (connected) this.switch.route.setLink(`port-${name}`, { master: index });
  }

  get options(): LendingOptions {
    return { hwPools: [{ name: 'lab', match: { name: 'hw*' } }], folder: join(this.folder, 'loans') };
  }

  /** The forwarder of the node; the one before it is stopped. */
  async forwarder(lending: LendingOptions = this.options): Promise<NodeForwarder> {
    await this.#forwarder?.stop();
    this.#forwarder = this.node.namespace.run(() => new NodeForwarder({ lending }));
    return this.#forwarder;
  }

  port(pod: TestNamespace, name: string, address: string, peer: string, parameters: object = {}): fw.Port {
    return create(fw.PortSchema, {
      type: InterfaceType.HW_INTERFACE,
      namespace: { inode: pod.namespace.inode, path: `/run/netns/${pod.name}` },
      name,
      mtu: 1500,
      addresses: [address],
      peerAddresses: [peer],
      parameters: { pool: 'lab', ...parameters },
    });
  }

  local(
    id: string,
    parameters: Readonly<Record<string, string>> = {},
    type: InterfaceType = InterfaceType.HW_INTERFACE,
  ): fw.CrossConnect {
    const { pool = 'lab' } = parameters;
    return create(fw.CrossConnectSchema, {
      id,
      client: { ...this.port(this.client, 'nsm%d', '10.60.0.1/31', '10.60.0.0', parameters), type },
      endpoint: { ...this.port(this.endpoint, 'nse1', '10.60.0.0/31', '10.60.0.1', { pool }), type },
      answerWithinMs: 3000,
    });
  }

  /** Everything about the node's devices that people would notice if it changed. */
  async devices(): Promise<Record<string, unknown>> {
    const links = await ipJson(this.node.name, ['addr']);
    const routes = [
      ...(await ipJson(this.node.name, ['route', 'show', 'table', 'all'])),
      ...(await ipJson(this.node.name, ['-6', 'route', 'show', 'table', 'all'])),
    ];
    const mine = routes
      .filter(({ protocol }) => protocol !== 'kernel')
      .map((route) => JSON.stringify(route))
      .toSorted();
    return Object.fromEntries([
      ['routes', mine],
      ...links
        .filter(({ ifname }) => ifname !== 'lo')
        .map(({ ifname, mtu, address, ifalias, addr_info: addresses, flags }) => [
          String(ifname),
          {
            mtu,
            address,
            ifalias,
            up: (flags as string[]).includes('UP'),
            addresses: (addresses as Record<string, unknown>[])
              // Link-local addresses are derived from the hardware address.
              .filter(({ scope }) => scope !== 'link')
              .map(({ local, peer, prefixlen, scope, label, broadcast }) => ({
                local,
                address: peer,
                prefixlen,
                scope,
                label,
                broadcast,
              })),
          },
        ]),
    ]);
  }

  /** Names of the records of what is lent. */
  records(): string[] {
    try {
      return readdirSync(join(this.folder, 'loans'));
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#forwarder?.stop();
    for (const namespace of [this.client, this.endpoint, this.node, this.switch]) namespace.remove();
    rmSync(this.folder, { recursive: true });
  }
}
