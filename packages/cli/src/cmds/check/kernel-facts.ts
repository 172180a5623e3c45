// Facts of the kernel, each found by trying.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { forwarder as fw } from '@nsm/api';
import { hasCapability, kernelProbes, type NetworkNamespace, readSetting } from '@nsm/netlink';
import {
  type CapabilityView,
  interfaceCapabilityView,
  type TunnelCapabilityView,
  tunnelCapabilityViews,
} from '@nsm/views/capability-view';
import { commandFolders } from '../../config.js';
import type { CheckContext } from './check-context.js';

export interface KernelFacts {
  /** Such as `6.18.44`. */
  readonly release: string;
  /** Why each does not work, '' where it does; undefined where it could not be tried. */
  readonly probes: Readonly<Record<ProbeName, string | undefined>>;
  /** Of the forwarder, or of one that was tried; or why none could be. */
  readonly interfaces: readonly CapabilityView[] | string;
  readonly tunnels: readonly TunnelCapabilityView[] | string;
  readonly hugePages: number;
  readonly ipv6: boolean;
  /** Path of the command; '' where there is none. */
  readonly nft: string;
}

/** Why nothing was tried. */
export const needsRoot = 'needs a network namespace of its own to be tried in: run nsm check as root';

type ProbeName = 'namespace' | TriedName;
type TriedName = Exclude<keyof typeof kernelProbes, 'probedNamespace'>;

export async function readKernelFacts(context: CheckContext): Promise<KernelFacts> {
  context.progress('trying what the kernel can');
  return {
    release: release(),
    probes: tryAll(),
    ...(await capabilities(context)),
    hugePages: Number(/^HugePages_Total:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0),
    ipv6: existsSync('/proc/net/if_inet6') || readSetting('net/ipv6/conf/all/disable_ipv6') !== undefined,
    nft: commandPath('nft'),
  };
}

const tried = Object.keys(kernelProbes).filter((name): name is TriedName => name !== 'probedNamespace');

function tryAll(): KernelFacts['probes'] {
  let namespace: NetworkNamespace;
  try {
    namespace = kernelProbes.probedNamespace();
  } catch (error) {
    const none = tried.map((name) => [name, undefined]);
    // Of a process that may not make one it says nothing of the kernel.
    const namespace = hasCapability('CAP_SYS_ADMIN') ? (error as Error).message : undefined;
    return { ...Object.fromEntries(none), namespace };
  }
  try {
    const results = tried.map((name) => [name, kernelProbes[name](namespace)]);
    return { ...Object.fromEntries(results), namespace: '' };
  } finally {
    namespace.close();
  }
}

/** Of the forwarder that runs here; of one that is tried where none does. */
async function capabilities(context: CheckContext): Promise<Pick<KernelFacts, 'interfaces' | 'tunnels'>> {
  const running = await context.managerIfAny();
  if (running?.status.capabilities) {
    const { interfaceTypes: interfaces, tunnelTypes: tunnels } = running.view;
    return { interfaces, tunnels };
  }
  try {
    const { probeCapabilities } = await import('@nsm/forwarder');
    const { interfaces, tunnels } = create(fw.CapabilitiesSchema, await probeCapabilities());
    return { interfaces: interfaces.map(interfaceCapabilityView), tunnels: tunnelCapabilityViews(tunnels) };
  } catch (error) {
    const why = hasCapability('CAP_SYS_ADMIN')
      ? `no forwarder can be tried: ${(error as Error).message}`
      : needsRoot;
    return { interfaces: why, tunnels: why };
  }
}

function commandPath(name: string): string {
  return commandFolders.map((folder) => join(folder, name)).find(isExecutable) ?? '';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
