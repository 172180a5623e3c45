// The plugin and a kubelet that is a stand-in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Channel, kubelet, Server } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DevicePlugin } from './device-plugin.js';

const folders = Array.from({ length: 4 }, (_, number) => `/run/nsm/pods/${number}`);
let plugins: string;
let plugin: DevicePlugin;
let registrations: string[];
let running: Server | undefined;

beforeEach(async () => {
  plugins = mkdtempSync(join(tmpdir(), 'nsm-kubelet-'));
  registrations = [];
  await startKubelet();
  plugin = new DevicePlugin({ logger: pino({ level: 'silent' }) }, { folders, plugins });
  await plugin.start();
});

afterEach(async () => {
  await plugin.stop();
  await running?.stop();
  rmSync(plugins, { recursive: true, force: true });
});

async function startKubelet(): Promise<void> {
  running = new Server(() => undefined).add(kubelet.Registration, {
    register: async ({ version, endpoint, resourceName }) => {
      registrations.push(`${version} ${endpoint} ${resourceName}`);
      return {};
    },
  });
  await running.listenUnix(join(plugins, 'kubelet.sock'));
}

it('registers, offers devices, and gives each container a folder of its own, read-only and nothing else', async () => {
  expect(registrations).toEqual(['v1beta1 networkservicemesh.sock networkservicemesh.io/socket']);
  const channel = new Channel(`unix:${join(plugins, 'networkservicemesh.sock')}`);
  const client = channel.client(kubelet.DevicePlugin);
  const stop = new AbortController();
  for await (const { devices } of client.listAndWatch({}, { signal: stop.signal })) {
    expect(new Set(devices.map(({ id }) => id)).size).toBe(folders.length);
    break;
  }
  stop.abort();
  const { containerResponses } = await client.allocate({
    containerRequests: [{ devicesIds: ['socket-1'] }, { devicesIds: ['socket-3', 'socket-2'] }],
  });
  await expect(client.allocate({ containerRequests: [{ devicesIds: ['socket-4'] }] })).rejects.toThrow(
    /no device/,
  );
  expect(containerResponses.map(({ mounts }) => mounts)).toEqual([
    [expect.objectContaining({ containerPath: '/run/nsm', hostPath: '/run/nsm/pods/1', readOnly: true })],
    [expect.objectContaining({ containerPath: '/run/nsm', hostPath: '/run/nsm/pods/3', readOnly: true })],
  ]);
  channel.close();
});

it('registers again when kubelet begins anew, which removes the sockets of plugins', async () => {
  await running?.stop();
  rmSync(join(plugins, 'networkservicemesh.sock'));
  await startKubelet();
  await waitFor(() => registrations.length === 2, { timeout: 10_000 });
});
