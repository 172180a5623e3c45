// What the page has of the mesh: the last snapshot with every patch since, and counters of the last minutes.

import { grouped } from '@nsm/views/grouped';
import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import {
  type Change,
  type ConnectionState,
  type Counters,
  carries,
  keyOf,
  type MeshConnection,
  type MeshEndpoint,
  type MeshNode,
  type Patch,
  type Sample,
  type Snapshot,
  type Thing,
} from '../model.js';

/** live: news come as they happen. lost: the connection to the server broke, and is made again. */
export type Link = 'connecting' | 'live' | 'lost' | 'token';

const mostChanges = 1000;
const mostSamples = 120;

const things = new Map<string, Thing>();
/** Counts patches: things are read anew when it changes. */
const version = signal(0);

export const link: Signal<Link> = signal('connecting');
export const allowChanges: Signal<boolean> = signal(false);
/** Whether the server gives packets of connections away. */
export const allowCapture: Signal<boolean> = signal(false);
export const troubles: Signal<readonly string[]> = signal([]);
export const changes: Signal<readonly Change[]> = signal([]);
/** The latest last. */
export const samples: Signal<readonly Sample[]> = signal([]);

export function thing(key: string): Thing | undefined {
  version.value;
  return things.get(key);
}

function ofKind<K extends Thing['kind']>(kind: K): Extract<Thing, { kind: K }>[] {
  version.value;
  return [...things.values()].filter((one): one is Extract<Thing, { kind: K }> => one.kind === kind);
}

export const connections: ReadonlySignal<readonly MeshConnection[]> = computed(() =>
  ofKind('connection').toSorted(
    (a, b) => a.service.localeCompare(b.service) || nameOf(a).localeCompare(nameOf(b)),
  ),
);
export const endpoints: ReadonlySignal<readonly MeshEndpoint[]> = computed(() =>
  ofKind('endpoint').toSorted((a, b) => a.service.localeCompare(b.service) || a.name.localeCompare(b.name)),
);
export const nodes: ReadonlySignal<readonly MeshNode[]> = computed(() =>
  ofKind('node').toSorted((a, b) => a.id.localeCompare(b.id)),
);

/** Connections of each endpoint, by `NAMESPACE/NAME`. */
export const loads: ReadonlySignal<ReadonlyMap<string, readonly MeshConnection[]>> = computed(() =>
  grouped(connections.value, ({ endpoint }) => `${endpoint.namespace}/${endpoint.name}`),
);

export const stateCounts: ReadonlySignal<ReadonlyMap<ConnectionState, number>> = computed(() => {
  const counts = new Map<ConnectionState, number>();
  for (const { state } of connections.value) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
});

/** What a connection carries now, per second. */
export interface Rates {
  readonly rxBits: number;
  readonly txBits: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly drops: number;
}

/** Of all connections that carry packets, and are in the last two samples. */
export const rates: ReadonlySignal<ReadonlyMap<string, Rates>> = computed(() => {
  const [before, after] = samples.value.slice(-2);
  if (!before || !after) return new Map();
  const elapsed = after.at - before.at;
  return new Map(
    Object.entries(after.counters).flatMap(([id, now]): [string, Rates][] => {
      const was = before.counters[id];
      const own = things.get(keyOf({ kind: 'connection', id }));
      // Counters of what is broken are its last ones.
      if (own?.kind !== 'connection' || !carries(own.state)) return [];
      return was && elapsed > 0 ? [[id, ratesBetween(was, now, elapsed)]] : [];
    }),
  );
});

/** @param elapsedMs above 0. The counters of a connection that was made anew begin at 0. */
export function ratesBetween(was: Counters, now: Counters, elapsedMs: number): Rates {
  const perSecond = (key: 'rxBytes' | 'txBytes' | 'rxPackets' | 'txPackets' | 'drops'): number =>
    (Math.max(0, now[key] - was[key]) * 1000) / elapsedMs;
  return {
    rxBits: 8 * perSecond('rxBytes'),
    txBits: 8 * perSecond('txBytes'),
    rxPackets: perSecond('rxPackets'),
    txPackets: perSecond('txPackets'),
    drops: perSecond('drops'),
  };
}

/** A client as people call it: its pod, or what it calls itself. */
export function nameOf({ client, requestId }: Pick<MeshConnection, 'client' | 'requestId'>): string {
  return client.pod || requestId;
}

export function takeSnapshot(snapshot: Snapshot): void {
  batch(() => {
    things.clear();
    for (const one of snapshot.things) things.set(keyOf(one), one);
    changes.value = snapshot.changes;
    troubles.value = snapshot.troubles;
    allowChanges.value = snapshot.allowChanges;
    allowCapture.value = snapshot.allowCapture;
    version.value++;
  });
}

export function takePatch({ put, gone, changes: more }: Patch): void {
  batch(() => {
    for (const one of put) things.set(keyOf(one), one);
    for (const key of gone) things.delete(key);
    if (more.length > 0) changes.value = [...changes.value, ...more].slice(-mostChanges);
    if (put.length > 0) troubles.value = [];
    version.value++;
  });
}

export function takeSample(sample: Sample): void {
  samples.value = [...samples.value, sample].slice(-mostSamples);
}
