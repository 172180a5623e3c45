// The network between the nodes of a mesh under test: a cable between two, or a switch that more of them, and a registry, hang on.
import { type Running, run, type TestNamespace } from '@nsm/testkit';
import { layTapWire } from './tap-wire.js';

/** Device of every node that leads to the others. */
export const underlayDevice = 'underlay';

/** What hangs on the underlay. */
export interface UnderlayMember {
  readonly name: string;
  readonly namespace: TestNamespace;
  readonly address: string;
}

const bridgeDevice = 'switch';
const partitions = 'partitions';

/** A veth pair, whose ends hand each other packets as they are; or TAP devices, between which only bytes pass. */
export type CableKind = 'veth' | 'tap';

/** Joins two members by a cable. Returns the process that is the cable, where it takes one. */
export async function layCable(
  members: readonly UnderlayMember[],
  mtu: number,
  kind: CableKind,
): Promise<Running | undefined> {
  const [a, b] = members.map(({ namespace }) => namespace.name);
  if (a === undefined || b === undefined) throw new Error('a cable has two ends');
  const wire = kind === 'tap' ? await layTapWire(underlayDevice, a, b) : undefined;
  if (!wire) {
    const peer = ['peer', 'name', underlayDevice, 'netns', b];
    await run(undefined, 'ip', ['link', 'add', underlayDevice, 'netns', a, 'type', 'veth', ...peer]);
  }
  for (const member of members) await address(member, mtu);
  return wire;
}

/** An Ethernet switch in a namespace of its own. */
export class Switch {
  readonly #namespace: string;

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  static async make({ namespace, address: own }: UnderlayMember): Promise<Switch> {
    const { name } = namespace;
    await run(name, 'ip', ['link', 'add', bridgeDevice, 'type', 'bridge']);
    await run(name, 'ip', ['address', 'add', ...withPrefix(own), 'dev', bridgeDevice]);
    await run(name, 'ip', ['link', 'set', bridgeDevice, 'up']);
    await run(name, 'nft', [
      `add table bridge ${partitions}
       add chain bridge ${partitions} forward { type filter hook forward priority 0; policy accept; }`,
    ]);
    return new Switch(name);
  }

  /** Plugs a member in, at a port of its name. */
  async plug(member: UnderlayMember, mtu: number): Promise<void> {
    const peer = ['peer', 'name', underlayDevice, 'netns', member.namespace.name];
    await run(this.#namespace, 'ip', ['link', 'add', member.name, 'type', 'veth', ...peer]);
    await run(this.#namespace, 'ip', [
      ...['link', 'set', member.name, 'mtu', String(mtu), 'master', bridgeDevice, 'up'],
    ]);
    await address(member, mtu);
  }

  /** Takes a member's cable away, at both ends. */
  async unplug(name: string): Promise<void> {
    await run(this.#namespace, 'ip', ['link', 'del', name]);
  }

  /** From now on no frame passes between two members, either way; neither sees its link go down. */
  async part(one: string, other: string): Promise<void> {
    await run(this.#namespace, 'nft', [
      `add rule bridge ${partitions} forward iifname ${one} oifname ${other} drop
       add rule bridge ${partitions} forward iifname ${other} oifname ${one} drop`,
    ]);
  }

  /** Bytes that a member's cable takes, at the switch's end: the member does not see it. */
  async setMtu(name: string, mtu: string): Promise<void> {
    await run(this.#namespace, 'ip', ['link', 'set', name, 'mtu', mtu]);
  }

  /** From now on no such packet passes, such as `udp dport 4789`. */
  async drop(what: string): Promise<void> {
    await run(this.#namespace, 'nft', [`add rule bridge ${partitions} forward ${what} drop`]);
  }

  /** Ends every partition. */
  async heal(): Promise<void> {
    await run(this.#namespace, 'nft', ['flush', 'chain', 'bridge', partitions, 'forward']);
  }
}

async function address({ namespace, address: own }: UnderlayMember, mtu: number): Promise<void> {
  await run(namespace.name, 'ip', ['address', 'add', ...withPrefix(own), 'dev', underlayDevice]);
  // A machine that is switched off and on again keeps its adapter.
  const number = (own.split(/[.:]/).at(-1) ?? '').padStart(2, '0');
  const mac = `02:00:00:00:09:${number}`;
  await run(namespace.name, 'ip', [
    ...['link', 'set', underlayDevice, 'address', mac, 'mtu', String(mtu), 'up'],
  ]);
}

function withPrefix(own: string): string[] {
  return own.includes(':') ? [`${own}/64`, 'nodad'] : [`${own}/24`];
}
