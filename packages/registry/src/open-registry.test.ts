// Which URLs lead to which registry.
import { expect, it } from 'vitest';
import { EmbeddedRegistry } from './embedded-registry.js';
import { openRegistry } from './open-registry.js';
import { RemoteRegistry } from './remote-registry.js';

const open = (url: string) => openRegistry(url, { stateDir: '/nowhere' });

it('knows embedded: and nsm://', async () => {
  expect(open('embedded:')).toBeInstanceOf(EmbeddedRegistry);
  for (const url of ['nsm://10.0.0.1:5001', 'nsm://registry.nsm.svc:5001/', 'nsm://[fd00::1]:5001']) {
    const registry = open(url);
    expect(registry).toBeInstanceOf(RemoteRegistry);
    expect(registry.service).toBeUndefined();
    await registry.stop();
  }
});

it('says plainly what this version does not have', () => {
  for (const url of ['etcd://10.0.0.1:2379', 'kubernetes:']) {
    expect(() => open(url)).toThrow(
      /is not available in this version; use embedded: .* or nsm:\/\/HOST:PORT/,
    );
  }
});

it('refuses the rest, and says what it knows', () => {
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
    expect(() => open(url)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(() => open(url)).toThrow(/nsm:\/\/HOST:PORT/);
  }
});
