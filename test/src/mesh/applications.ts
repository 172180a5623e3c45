// Applications of pods that are attached by a socket: each gives its pod a device, so that the kernel answers pings through it.
import { fileURLToPath } from 'node:url';
import { run, spawnIn, waitFor } from '@nsm/testkit';
import type { Pod } from './mesh.js';
import { type Parameters, Testpmd, vhost } from './testpmd.js';

const memifProgram = fileURLToPath(new URL('../../../packages/lab/dist/pods/memif-main.js', import.meta.url));

/** What an application is told, from the reply to a client or the request to an endpoint. */
export interface Told {
  readonly parameters: Parameters;
  readonly addresses: readonly string[];
  readonly mtu: number;
}

export interface Application extends AsyncDisposable {
  /** Waits for the other end of the wire, so many milliseconds at most; default 15000. */
  connected(timeout?: number): Promise<unknown>;
}

/** Our own memif, joined to a TAP device. */
export const startMemif = async (pod: Pod, told: Told): Promise<Application> => {
  const running = await spawnIn(pod.name, process.execPath, [
    memifProgram,
    JSON.stringify({ ...told, mac: '' }),
  ]);
  return {
    connected: (timeout = 15_000) =>
      waitFor(() => running.output().includes('connected'), { timeout, what: 'the memif’s peer' }),
    [Symbol.asyncDispose]: () => running.stop(),
  };
};

/** DPDK's vhost-user or virtio-user, joined to a TAP device. */
export const startVhost = async (pod: Pod, { parameters, addresses, mtu }: Told): Promise<Application> => {
  const testpmd = await Testpmd.start(pod.name, vhost(parameters), 'io', { tap: 'fast0' });
  await run(pod.name, 'ip', ['link', 'set', 'fast0', 'mtu', String(mtu), 'up']);
  for (const address of addresses) {
    // It would be tried for duplicates first, and answer nobody meanwhile.
    const flags = address.includes(':') ? ['nodad'] : [];
    await run(pod.name, 'ip', ['address', 'add', address, 'dev', 'fast0', ...flags]);
  }
  // It does not tell.
  return { connected: async () => undefined, [Symbol.asyncDispose]: () => testpmd.stop() };
};
