// Gives devices of the node to pods, and takes them back as they were: after a crash too, and wherever the kernel put them.
import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { abbreviatedList, interfaceTypeName, NsmError } from '@nsm/api';
import type { Link, LinkChanges, RouteSocket } from '@nsm/netlink';
import { type OpenPort, requireFreeName } from '../port/open-port.js';
import type { Side } from '../port/wiring.js';
import type { DeviceSource, PooledDevice } from './device-source.js';
import { restoreState, stateOf } from './device-state.js';
import { type Place, withLent } from './find-lent.js';
import { functionBefore, setFunction } from './function-settings.js';
import type { Loan, LoanBook } from './loan-book.js';
import { sparedDevices } from './spared-devices.js';

/** What a pod asks for. */
export interface Wish {
  readonly id: string;
  readonly side: Side;
  readonly pool: string;
  /** Name of the device in the node; undefined: any of the pool. */
  readonly device?: string | undefined;
  /** Hardware address in the pod; undefined: its own. */
  readonly mac?: string | undefined;
}

/** A device of a pool, and why it cannot be had: '' when it can. */
export interface Judged {
  readonly device: PooledDevice;
  readonly obstacle: string;
}

/** Called before each step that changes something; tests end the process there. */
export type StepListener = (
  step: 'record' | 'set function' | 'move' | 'return' | 'restore' | 'forget',
) => void;

/** Milliseconds that the kernel is given to bring the devices of a namespace that has ended back to its first one. */
const comesBackWithinMs = 10_000;

/** Milliseconds between looks. */
const lookAgainAfterMs = 50;

/** Milliseconds: what is written down is void after the machine restarts, and no clock that is set changes it. */
function sinceBoot(): number {
  return uptime() * 1000;
}

export class Lending {
  readonly #node: RouteSocket;
  readonly #book: LoanBook;
  readonly #step: StepListener;
  /** Addresses of this node's ends of tunnels: their devices stay. */
  readonly underlay: Set<string>;

  constructor(
    node: RouteSocket,
    book: LoanBook,
    underlay: Iterable<string>,
    step: StepListener = () => undefined,
  ) {
    this.#node = node;
    this.#book = book;
    this.#step = step;
    this.underlay = new Set(underlay);
  }

  /** Whether a cross-connect has, or is to have, devices of the node. */
  holds(id: string): boolean {
    return this.#book.of(id).length > 0;
  }

  /** What is lent to cross-connects whose ids begin so. */
  loans(idPrefix: string): Loan[] {
    return this.#book.all().filter(({ id, awaited }) => !awaited && id.startsWith(idPrefix));
  }

  /** The devices of a pool that are on the node. */
  judge(source: DeviceSource, pool: string): { readonly judged: Judged[]; readonly absent: string[] } {
    this.#collect();
    const spared = sparedDevices(this.#node, this.underlay);
    const { present, absent } = source.devices(pool, this.#node);
    const lent = new Set(this.#book.all().map(functionOf));
    const judged = present.map((device): Judged => {
      const reason = spared.get(device.link.index) ?? this.#lentFunctionOf(device.link);
      return { device, obstacle: reason ? `${device.link.name} ${reason}` : '' };
    });
    const missing = absent.filter(({ physical, index }) => !lent.has(`${physical} ${index}`));
    return { judged, absent: missing.map(({ reason }) => reason) };
  }

  /**
   * The device of one side of a cross-connect, in its pod: the device that is there already, or that was chosen before a
   * crash, or another of the pool.
   * @throws NsmError `dataplane` when no device is free; NetlinkError when the kernel refuses to move the device.
   */
  place(source: DeviceSource, wish: Wish, pod: OpenPort): { readonly link: Link; readonly fresh: boolean } {
    const known = this.#book.find(wish.id, wish.side);
    const present = known?.pod.inode === pod.namespace.inode ? known : undefined;
    if (known && !present) this.#takeBack(known);
    if (present) {
      const placed = withLent(this.#node, present, (socket, link, where) => {
        if (where === 'pod') return { link, fresh: false };
        return { link: this.#move(present, socket, link, pod), fresh: true };
      });
      if (placed) return placed;
      this.#book.remove(present);
    }
    const { link, function: vf } = this.#choose(source, wish);
    const loan: Loan = {
      id: wish.id,
      side: wish.side,
      interface: source.interface,
      pool: wish.pool,
      pod: { inode: pod.namespace.inode, path: pod.namespace.path },
      mac: wish.mac ?? link.mac ?? '',
      before: stateOf(link, this.#node, sinceBoot()),
      ...(vf ? functionBefore(this.#node, vf, wish.mac) : {}),
      awaited: false,
    };
    this.#step('record');
    this.#book.put(loan);
    try {
      if (vf && loan.function) {
        this.#step('set function');
        setFunction(this.#node, vf.physical, { ...vf.settings, index: vf.index, mac: wish.mac });
      }
      return { link: this.#move(loan, this.#node, link, pod), fresh: true };
    } catch (error) {
      withLent(this.#node, loan, (socket, found, where) => this.#return(loan, socket, found, where));
      this.#book.remove(loan);
      throw error;
    }
  }

  /** Takes back at once the devices of a cross-connect that were just placed. */
  undo(id: string): void {
    for (const loan of this.#book.of(id)) this.#takeBack(loan);
  }

  /**
   * Resolves when the devices of a cross-connect are as they were before it.
   * @throws NetlinkError when the kernel does not move one; a repetition goes on with it.
   */
  async giveBack(id: string): Promise<void> {
    for (const loan of this.#book.of(id)) {
      const until = sinceBoot() + comesBackWithinMs;
      while (!this.#takeBack(loan)) {
        // What is made of software ends with its namespace; hardware comes back, but not before the namespace has been
        // cleaned up (net/core/dev.c, default_device_exit_net).
        const gone = loan.before.kind !== undefined;
        if (gone) this.#book.remove(loan);
        else if (sinceBoot() > until) this.#book.put({ ...loan, awaited: true });
        else {
          await sleep(lookAgainAfterMs);
          continue;
        }
        break;
      }
    }
  }

  /** What came back late. */
  #collect(): void {
    for (const loan of this.#book.all()) if (loan.awaited) this.#takeBack(loan);
  }

  #takeBack(loan: Loan): boolean {
    const found = withLent(this.#node, loan, (socket, link, where) => {
      this.#return(loan, socket, link, where);
      return true;
    });
    if (!found) return false;
    this.#step('forget');
    this.#book.remove(loan);
    return true;
  }

  #choose(source: DeviceSource, { id: own, pool, device }: Wish): PooledDevice {
    const { judged, absent } = this.judge(source, pool);
    const named = judged.filter((one) => device === undefined || one.device.link.name === device);
    const free = named.find(({ obstacle }) => obstacle === '');
    if (free) return free.device;
    const lent = this.#book
      .all()
      .filter((loan) => loan.pool === pool && loan.interface === source.interface)
      .filter(({ before }) => device === undefined || before.name === device)
      .map(({ before, id }) => `${before.name} is ${id === own ? 'for the other side' : `lent to ${id}`}`);
    const reasons = [...lent, ...named.map(({ obstacle }) => obstacle), ...absent];
    const what = device === undefined ? 'no free device' : `no free device "${device}"`;
    throw new NsmError(
      'dataplane',
      `${interfaceTypeName(source.interface)}: pool "${pool}" has ${what} on this node: ${abbreviatedList(reasons, '; ') || 'none fits the pool'}`,
    );
  }

  /** A physical function stays where its virtual functions are set from. */
  #lentFunctionOf({ name }: Link): string | undefined {
    const loan = this.#book.all().find((other) => other.function?.physical === name);
    return loan && `has a virtual function that is lent to ${loan.id}`;
  }

  /** One request: moved, named and marked at once, so that no crash can come between. */
  #move(loan: Loan, from: RouteSocket, link: Link, pod: OpenPort): Link {
    this.#step('move');
    const name = pod.freeName();
    requireFreeName(pod.socket, name);
    const changes: LinkChanges = {
      namespace: pod.namespace,
      name,
      alias: loan.id,
      ...(loan.mac !== link.mac && loan.mac !== '' ? { mac: loan.mac } : {}),
      ...(pod.port.mtu !== link.mtu && pod.port.mtu > 0 ? { mtu: pod.port.mtu } : {}),
    };
    from.setLink(link.index, changes);
    const moved = pod.socket.link(name);
    if (!moved) throw new NsmError('dataplane', `device ${loan.before.name} did not arrive in the pod`);
    return moved;
  }

  #return(loan: Loan, from: RouteSocket, link: Link, where: Place): void {
    const { before } = loan;
    this.#step('return');
    let home = link;
    if (where !== 'node') {
      const name = this.#node.link(before.name) ? `${before.name.slice(0, 11)}_%d` : before.name;
      using namespace = this.#node.openNamespace();
      from.setLink(link.index, { namespace, name, alias: before.alias });
      const arrived = this.#node.links().find((other) => other.mac === link.mac && isNamed(other, name));
      if (!arrived) throw new NsmError('dataplane', `device ${before.name} did not arrive on the node`);
      home = arrived;
    } else if (link.name !== before.name && !this.#node.link(before.name))
      this.#node.setLink(link.index, { name: before.name });
    this.#step('restore');
    const failures = restoreState(home, before, this.#node, sinceBoot());
    const name = this.#node.link(home.index)?.name;
    if (name !== before.name) failures.push(`its name, which another device has: it is ${name}`);
    if (loan.function) {
      const { physical, before: settings } = loan.function;
      try {
        setFunction(this.#node, physical, settings);
      } catch (error) {
        failures.push(NsmError.from(error).message);
      }
    }
    if (failures.length > 0)
      process.emitWarning(`${before.name} came back from ${loan.id} without ${failures.join('; ')}`);
  }
}

/** Tells virtual functions apart. */
function functionOf({ function: vf }: Loan): string | undefined {
  return vf && `${vf.physical} ${vf.before.index}`;
}

function isNamed({ name }: Link, pattern: string): boolean {
  const [start = '', digits] = pattern.split('%d');
  return digits === undefined ? name === pattern : name.startsWith(start);
}
