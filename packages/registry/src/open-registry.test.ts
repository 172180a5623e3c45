// Which URLs lead to which registry.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { EmbeddedRegistry } from './embedded/embedded-registry.js';
import { openRegistry, openStore } from './open-registry.js';
import { RemoteRegistry } from './remote/remote-registry.js';

const open = (url: string) => openRegistry(url, { stateDir: '/nowhere' });

it('knows embedded: and nsm://', async () => {
  expect(await open('embedded:')).toBeInstanceOf(EmbeddedRegistry);
  for (const url of ['nsm://10.0.0.1:5001', 'nsm://registry.nsm.svc:5001/', 'nsm://[fd00::1]:5001']) {
    const registry = await open(url);
    expect(registry).toBeInstanceOf(RemoteRegistry);
    expect(registry.service).toBeUndefined();
    await registry.stop();
  }
});

it('knows etcd://, also as the store of a registry', async () => {
  for (const url of ['etcd://10.0.0.1:2379', 'etcds://etcd-0:2379,etcd-1:2379/mesh']) {
    const registry = await open(url);
    expect(registry.url).toBe(url);
    expect(registry.service).toBeUndefined();
    expect((await openStore(url, { stateDir: '/nowhere' })).service).toBeDefined();
  }
  await expect(openStore('nsm://10.0.0.1:5000', { stateDir: '/nowhere' })).rejects.toMatchObject({
    kind: 'invalid',
  });
});

it('opens a registry on Kubernetes, and says what is missing for it', async () => {
  const kubeConfig = join(mkdtempSync(join(tmpdir(), 'nsm-kubeconfig-')), 'config');
  vi.stubEnv('KUBECONFIG', kubeConfig);
  await expect(open('kubernetes:')).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining(`kubeconfig ${kubeConfig}: ENOENT`),
  });
  writeFileSync(
    kubeConfig,
    JSON.stringify({
      'current-context': 'one',
      contexts: [{ name: 'one', context: { cluster: 'two' } }],
      clusters: [{ name: 'two', cluster: { server: 'https://127.0.0.1:6443' } }],
    }),
  );
  expect((await open('kubernetes:mesh')).url).toBe('kubernetes:mesh');
  await expect(open('kubernetes:Mesh')).rejects.toThrow('expected kubernetes: or kubernetes:NAMESPACE');
  vi.unstubAllEnvs();
  rmSync(dirname(kubeConfig), { recursive: true });
});

it('refuses the rest, and says what it knows', async () => {
  for (const url of [
    '',
    'embedded',
    'consul://x:1',
    'nsm://',
    'nsm://host',
    'nsm://host:port',
    'nsm://host:65536',
    'nsm://a b:1',
  ]) {
    await expect(open(url)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(open(url)).rejects.toThrow(/nsm:\/\/HOST:PORT/);
  }
});
