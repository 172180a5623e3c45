// The programs by tcx: first of all that the kernel runs on a device's packets.
import { attachTcx, detachTcx, NetlinkError, programName, tcxPrograms } from '@nsm/netlink';
import { type Hook, type Hooks, isOurs, type LoadedProgram, type Standing } from './hooks.js';

export class TcxHooks implements Hooks {
  /** By id, which the kernel gives to no second program before it has given all others. */
  readonly #names = new Map<number, string>();
  /** Ids of others' programs that ours has been put before once: who insists on being first is let be. */
  readonly #passed = new Set<number>();
  /** Ids by device and hook, where there were any at the last look. */
  readonly #seen = new Map<string, string>();

  find(devices: readonly number[]): Standing[] {
    return devices.flatMap((device) =>
      (['ingress', 'egress'] as const).flatMap((hook) => {
        const found = this.ours(device, hook);
        return found ? [{ device, hook, ...found }] : [];
      }),
    );
  }

  ours(device: number, hook: Hook): Pick<Standing, 'id' | 'name'> | undefined {
    for (const id of this.#list(device, hook)) {
      const name = this.#nameOf(id);
      if (isOurs(name)) return { id, name };
    }
    return undefined;
  }

  attach(device: number, hook: Hook, { id, fd, name }: LoadedProgram): void {
    this.#names.set(id, name);
    const present = this.ours(device, hook)?.id;
    if (present !== id) {
      attachTcx(device, hook, fd, present);
      return;
    }
    const [first = id] = this.#list(device, hook);
    // Where a pod's packets come in, there may be no moment without the program.
    if (first === id || name === 'nsm_wrap' || this.#passed.has(first)) return;
    this.#passed.add(first);
    detachTcx(device, hook, id);
    attachTcx(device, hook, fd);
  }

  detach(device: number, hook: Hook): void {
    const present = this.ours(device, hook);
    if (present) detachTcx(device, hook, present.id);
  }

  before(device: number, hook: Hook): readonly string[] {
    const names = this.#list(device, hook).map((id) => [id, this.#nameOf(id)] as const);
    const at = names.findIndex(([, name]) => isOurs(name));
    return names
      .slice(0, Math.max(at, 0))
      .map(([id, name = '']) => `eBPF program ${name || `#${id}`} by tcx`);
  }

  /** Whether nothing stands there. */
  isFree(device: number, hook: Hook): boolean {
    return this.#list(device, hook).length === 0;
  }

  /** Whether what stands there is other than at the last look. */
  isOther(device: number, hook: Hook): boolean {
    const key = `${device} ${hook}`;
    const now = this.#list(device, hook).join();
    const before = this.#seen.get(key) ?? '';
    if (now === '') this.#seen.delete(key);
    else this.#seen.set(key, now);
    return now !== before;
  }

  #list(device: number, hook: Hook): number[] {
    try {
      return tcxPrograms(device, hook);
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENODEV') return [];
      throw error;
    }
  }

  #nameOf(id: number): string | undefined {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = programName(id);
    if (name !== undefined) this.#names.set(id, name);
    return name;
  }
}
