// The forwarder of this node: a thread of this process, or a process of its own.
import { Channel, splitHostPort } from '@nsm/api';
import { type LendingOptions, lentDevicesIn, startForwarderThread, whatIsOutOfReach } from '@nsm/forwarder';
import type { MemoryLimits } from '@nsm/forwarder/memory-limits';
import { IpPrefix } from '@nsm/netlink';
import { defaultLimits } from '../admission/limits.js';
import type { Forwarder } from '../forwarder-client.js';
import type { ManagerOptions } from '../manager-options.js';
import { externalForwarder } from './external-forwarder.js';
import { oneLookAtATime } from './one-look.js';
import type { Stops } from './stops.js';

/** Bytes: a pod may have a hundred thousand routes, and all interfaces of a node are listed at once. */
const maxForwarderReplyBytes = 64 << 20;

/** @throws NsmError `privilege` or `dataplane` when the thread cannot start. */
export async function openForwarder(
  options: ManagerOptions,
  stateDir: string,
  stops: Stops,
): Promise<Forwarder> {
  const { forwarderSocket, forwarderThread, vxlanEngine, runDir } = options;
  if (forwarderSocket !== undefined) {
    const channel = new Channel(`unix:${forwarderSocket}`, { maxReplyBytes: maxForwarderReplyBytes });
    stops.add(() => channel.close());
    return oneLookAtATime(externalForwarder(channel));
  }
  const lending = lendingOf(options, stateDir);
  const thread = await startForwarderThread(
    { runDir, lending, memory: memoryOf(options), ...(vxlanEngine ? { vxlanEngine } : {}) },
    forwarderThread,
  );
  stops.add(() => thread.stop());
  const lacks = whatIsOutOfReach();
  if (lacks !== '') options.logger.warn(lacks);
  return oneLookAtATime(thread.client);
}

function memoryOf({ limits }: ManagerOptions): MemoryLimits {
  const { sharedMemoryMib, userFactor } = { ...defaultLimits, ...limits };
  return { sharedMemoryMib, userFactor };
}

function lendingOf(
  { lending, tunnelAddress, listen, advertise }: ManagerOptions,
  stateDir: string,
): LendingOptions {
  // Where other managers find this one, tunnels end too, unless it is said otherwise.
  const hosts = [listen, advertise].map((address) => splitHostPort(address).host);
  const named = [...hosts, ...(tunnelAddress === undefined ? [] : [tunnelAddress])];
  const underlay = named.map((host) => IpPrefix.parseAddress(host)?.address ?? host);
  return { ...lending, folder: lentDevicesIn(stateDir), underlay };
}
