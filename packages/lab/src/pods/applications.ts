// Applications for pods that have a socket and no device. Each joins its socket to a TAP device of its pod, so that the
// kernel there answers and sends; it lives while its connection is measured.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { deadline, type forwarder as fw, traitsOf } from '@nsm/api';
import { openNamespace, RouteSocket } from '@nsm/netlink';

export interface Application {
  readonly place: { readonly namespace: string };
  readonly port: fw.Port;
}

const memifProgram = fileURLToPath(new URL('./memif-main.js', import.meta.url));
const testpmd = 'dpdk-testpmd';
/** Of the pod; testpmd makes it. */
const vhostTap = 'vhost0';
/** Milliseconds for both to start and meet. */
const timeoutMs = 20_000;
/** Milliseconds within which one ends by itself. */
const endTimeoutMs = 2_000;

/** Why not all of them can be run here; '' when they can. */
export function missingApplications(applications: readonly Application[]): string {
  if (!applications.some(isVhost) || isInstalled(testpmd)) return '';
  return `connected, but nothing here speaks vhost-user: ${testpmd} is not installed; on Debian: apt-get install dpdk-dev`;
}

/**
 * Starts them, those that listen first, and waits until they carry packets.
 * An application that fails is not reported: no packet comes through then. @throws the signal's reason
 */
export async function startApplications(
  applications: readonly Application[],
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const either = deadline(timeoutMs, signal);
  const running: Running[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map(end));
  };
  try {
    const ready: Promise<unknown>[] = [];
    for (const application of applications) {
      const child = start(application, either);
      running.push(child);
      const started = says(child, isVhost(application) ? 'Press enter to exit' : 'connected');
      // testpmd's client wants its server to be there.
      if (isVhost(application)) await started;
      ready.push(started);
    }
    await Promise.all(ready);
    for (const application of applications.filter(isVhost)) configure(application);
    signal.throwIfAborted();
    return { [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Running = ChildProcessByStdio<Writable, Readable, null>;

function start(application: Application, signal: AbortSignal): Running {
  const { place, port } = application;
  const { parameters, mac, mtu, addresses } = port;
  const [command, args] = isVhost(application)
    ? ['stdbuf', ['-oL', testpmd, ...testpmdFlags(parameters)]]
    : [process.execPath, [memifProgram, JSON.stringify({ parameters, mac, mtu, addresses })]];
  using namespace = openNamespace(`/run/netns/${place.namespace}`);
  const child = namespace.run(() =>
    // Applications end with their standard input, which ends with this process however it ends.
    spawn(command, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      signal,
      killSignal: 'SIGKILL',
    }),
  );
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  return child;
}

/** A vhost-user server is the device, its client the driver. */
function testpmdFlags({ socket, role, queues, ring_size: size }: Readonly<Record<string, string>>): string[] {
  const port =
    role === 'server'
      ? `net_vhost0,iface=${socket},queues=${queues}`
      : `net_virtio_user0,path=${socket},queues=${queues},queue_size=${size}`;
  return [
    ...['--no-shconf', '--no-pci', '--no-huge', '--no-telemetry', '-m', '128', '--lcores', '(0,1)@0-1'],
    ...[`--vdev=${port}`, `--vdev=net_tap0,iface=${vhostTap}`, '--'],
    ...['--total-num-mbufs=4096', '--forward-mode=io', '--disable-link-check'],
  ];
}

function configure({ place, port: { mac, mtu, addresses } }: Application): void {
  using namespace = openNamespace(`/run/netns/${place.namespace}`);
  using route = RouteSocket.open(namespace);
  const device = route.link(vhostTap)?.index;
  if (device === undefined) return;
  route.setLink(device, { mtu, up: true, ...(mac ? { mac } : {}) });
  for (const address of addresses) route.addAddress(device, { address, nodad: true });
}

/** Resolves when it prints `words`, or ends. */
async function says(child: Running, words: string): Promise<void> {
  for await (const line of createInterface(child.stdout)) if (line.includes(words)) break;
  child.stdout.resume();
}

/** Given time to remove its socket. */
async function end(child: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  // testpmd whose other side has gone may wait for it for ever.
  const patience = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
  await ended;
  clearTimeout(patience);
}

function isVhost({ port }: Application): boolean {
  return traitsOf(port.type).sharedMemory?.protocol === 'vhost-user';
}

function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
