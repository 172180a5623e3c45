// Views, numbers and times as texts for people. The page in the browser has them too.
import type { CapabilityView, TunnelCapabilityView } from './capability-view.js';
import type { ConnectionView, NarrowView, OrderView } from './connection-view.js';
import type { ManagerView } from './manager-view.js';

/** Its state and, where there is something to say, which attempt it is and why, and what is wrong with it all the same. */
export function stateText({ attempt, detail, narrow }: ConnectionView, word: string): string {
  const which = attempt > 0 ? ` (attempt ${attempt})` : '';
  const texts = [detail, narrow ? `${narrowText(narrow)} (NSM0956)` : ''].filter((text) => text !== '');
  return `${word}${which}${texts.length > 0 ? `: ${texts.join('; ')}` : ''}`;
}

export function narrowText({ carries }: NarrowView): string {
  return `packets above ${carries} bytes do not come back`;
}

/** The command that mends it; '' where the way is not known. */
export function mendNarrow({ narrow, tunnel }: Pick<ConnectionView, 'narrow' | 'tunnel'>): string {
  if (!narrow?.device || !tunnel) return '';
  return mendMtu(tunnel.remote, narrow.device, narrow.via, narrow.underlayMtu);
}

/**
 * The command that has the kernel, and with it the mesh, reckon with what the way to another node carries in truth.
 * @param via router; '' on a common link. @param mtu bytes of the largest IP packet that gets there.
 */
export function mendMtu(remote: string, device: string, via: string, mtu: number): string {
  return `ip route replace ${remote} ${via === '' ? '' : `via ${via} `}dev ${device} mtu lock ${mtu}`;
}

/** By what it works, or why it does not. */
export function howText({
  works,
  missing,
  engine,
  standsBy = false,
  obstacles = [],
}: CapabilityView & Partial<TunnelCapabilityView>): string {
  if (!works) return missing;
  if (obstacles.length > 0) return `${engine}, but packets may not come to it: ${obstacles.join(', ')}`;
  return standsBy ? `${engine}, stands by` : engine;
}

/** `k=v,k=v`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** How the two sides are joined: `local`, the tunnel as `VXLAN 7`, or a physical network that both nodes are on. */
export function pathText({ role, tunnel }: ConnectionView): string {
  if (tunnel) return `${tunnel.type} ${tunnel.identifier}`;
  return role === 'LOCAL' ? 'local' : 'wire';
}

/** Time since, as `3m5s` or `2d4h`; '' of what has no time. */
export function ageText(since: string | null, now: number): string {
  if (!since) return '';
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0s';
  let left = seconds;
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(left / size);
      left -= count * size;
      return count > 0 ? `${count}${unit}` : '';
    })
    .join('');
}

/** `alive`, `drained`, `stopped` or `gone`. */
export function managerState({ alive, stopped, silent, drained }: ManagerView): string {
  if (alive && !silent) return drained ? 'drained' : 'alive';
  return stopped ? 'stopped' : 'gone';
}

/** `last order: heal, 2026-06-01T12:00:00.000Z, under way for 5.1 s`. */
export function orderText({ kind, started, durationMs, underWay }: OrderView): string {
  return `last order: ${kind}, ${started ?? ''}, ${underWay ? 'under way for' : 'took'} ${millisecondsText(durationMs)}`;
}

/** `28 µs`, `1.4 ms`. */
export function roundTripText(microseconds: number | null): string {
  return microseconds === null ? '' : millisecondsText(microseconds / 1000);
}

/** `28 µs`, `1.4 ms`, `2.0 s`, `3m20s`. */
export function millisecondsText(milliseconds: number): string {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return ageText(new Date(0).toISOString(), milliseconds);
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `nsm0 (kernel)`; `mem` alone, which has no device. */
export function interfaceText(device: string, kind: string): string {
  return device === '' ? kind : `${device} (${kind})`;
}
