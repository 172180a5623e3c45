// What the compliance suite works with: clients of one registry, and ways to look at what they see.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { InterfaceType, type NetworkServiceEndpoint, NetworkServiceEndpointSchema } from '@nsm/api';
import { afterEach, beforeEach } from 'vitest';
import { endpointKey } from '../records/valid-record.js';
import type { ManagerRecord, Registry } from '../registry.js';

export interface Harness {
  /** One more client of the same records, started; its `stop` is called by the suite. */
  open(options?: { readonly writePatienceMs?: number }): Promise<Registry>;
  /** Lets a lease of so many milliseconds run out. Default: real time passes. */
  advance?(milliseconds: number): void;
  /** If the records can be away while a client lives. */
  readonly server?:
    | {
        stop(): Promise<void>;
        start(): Promise<unknown>;
        /** Called while it is stopped. */
        loseStore(): void;
      }
    | undefined;
  close(): Promise<void>;
}

export const leaseMs: number = 3000;
export const nodeA: ManagerRecord = { name: 'node-a', address: '10.0.0.1:5001' };
export const nodeB: ManagerRecord = { name: 'node-b', address: '10.0.0.2:5001' };

export function endpoint(
  name: string,
  more: MessageInitShape<typeof NetworkServiceEndpointSchema> = {},
): NetworkServiceEndpoint {
  return create(NetworkServiceEndpointSchema, {
    networkServiceName: 'firewall',
    networkServiceHost: 'node-a',
    nseProviderName: name,
    socketLocation: `/run/${name}.sock`,
    interface: [{ type: InterfaceType.KERNEL_INTERFACE }],
    ...more,
  });
}

/** Everything in the copy, as sorted text. */
export function contents(registry: Registry): string[] {
  const managers = [...registry.managers().values()].map(
    ({ name, address, alive }) => `${name} ${address} ${alive ? 'alive' : 'gone'}`,
  );
  const endpoints = [...registry.endpoints()].map(
    (each) => `${endpointKey(each)} ${each.networkServiceHost} ${each.socketLocation}`,
  );
  return [...managers, ...endpoints].sort();
}

/** Resolves when `condition` holds: asked now and after each event. */
export async function until(registry: Registry, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const watch = registry.watch(() => {
      if (!condition()) return;
      queueMicrotask(() => watch[Symbol.dispose]());
      resolve();
    });
  });
}

/** What a listener hears from now on, as text. */
export function record(registry: Registry): string[] {
  const heard: string[] = [];
  registry.watch(({ event }) => {
    if (event.case === 'managerPut') heard.push(`+${event.value.name}${event.value.alive ? '' : ' gone'}`);
    else if (event.case === 'managerRemoved') heard.push(`-${event.value}`);
    else if (event.case === 'endpointPut') heard.push(`+${endpointKey(event.value)}`);
    else if (event.case === 'endpointRemoved') heard.push(`-${endpointKey(event.value)}`);
    else heard.push(String(event.case));
  });
  return heard;
}

/** The harness of the test that runs, and its clients. */
export interface Stage extends Pick<Harness, 'open'> {
  readonly harness: Harness;
  openTwo(): Promise<[Registry, Registry]>;
}

/** Sets a harness up for each test and takes it down. */
export function useHarness(setUp: () => Promise<Harness>): Stage {
  let harness: Harness | undefined;
  const opened: Registry[] = [];
  const present = (): Harness => {
    if (!harness) throw new Error('no test is running');
    return harness;
  };
  const open: Harness['open'] = async (options) => {
    const registry = await present().open(options);
    opened.push(registry);
    return registry;
  };
  beforeEach(async () => {
    harness = await setUp();
  });
  afterEach(async () => {
    for (const registry of opened.splice(0)) await registry.stop();
    await harness?.close();
  });
  return {
    get harness() {
      return present();
    },
    open,
    openTwo: async () => [await open(), await open()],
  };
}
