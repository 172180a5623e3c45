// The part of the compliance suite about input that no registry takes: names that are none, and values out of range.
import { expect, it } from 'vitest';
import { contents, endpoint, leaseMs, nodeA, type Stage, until } from './compliance-harness.js';

export function refusals({ open }: Stage): void {
  const bad = [
    '',
    'a/b',
    'a\nb',
    'a\0',
    'x'.repeat(254),
    'ü',
    '\ud800',
    '$(id)',
    '-x',
    '\x1b[2J',
    'a\u202eb',
  ];
  it.each(bad)('is refused: %j', async (text) => {
    const one = await open();
    const refused = { kind: 'invalid' };
    const writes = [
      one.registerManager({ ...nodeA, name: text }, leaseMs),
      one.registerManager({ ...nodeA, address: text }, leaseMs),
      one.removeManager(text),
      one.registerEndpoint(endpoint(text)),
      one.registerEndpoint(endpoint('fw', { networkServiceName: text })),
      one.registerEndpoint(endpoint('fw', { networkServiceHost: text })),
      one.registerEndpoint(endpoint('fw', { nseProviderNamespace: text || '/' })),
      one.removeEndpoint(endpoint(text)),
      one.claim(text, 'node-a'),
      one.claim('vni-1', text),
      one.releaseClaim(text, 'node-a'),
    ];
    for (const write of writes) await expect(write).rejects.toMatchObject(refused);
    expect(contents(one)).toEqual([]);
  });

  it('is refused: what would be shown to operators and is not to be', async () => {
    const one = await open();
    for (const text of ['\x1b]0;x\x07', 'a\u202eb', '\x9b2J']) {
      const endpoints = [
        { labels: { selector: { [text]: '' } } },
        { labels: { selector: { key: text } } },
        { prefixes: [text] },
        { socketLocation: `/${text}` },
      ].map((more) => one.registerEndpoint(endpoint('fw', more)));
      for (const write of [...endpoints, one.registerManager({ ...nodeA, version: text }, leaseMs)])
        await expect(write).rejects.toMatchObject({ kind: 'invalid' });
    }
    expect(contents(one)).toEqual([]);
  });

  it('is refused: leases, ports and sizes out of range', async () => {
    const one = await open();
    for (const address of ['node-a', 'node-a:0', 'node-a:65536', '[fd00::1]:0'])
      await expect(one.registerManager({ ...nodeA, address }, leaseMs)).rejects.toMatchObject({
        kind: 'invalid',
      });
    for (const lease of [0, 999, 3_600_001, Number.NaN, 1500.5]) {
      await expect(one.registerManager(nodeA, lease)).rejects.toMatchObject({ kind: 'invalid' });
    }
    const large = endpoint('fw', { prefixes: Array.from({ length: 10_000 }, () => '10.60.0.0/16') });
    await expect(one.registerEndpoint(large)).rejects.toMatchObject({ kind: 'invalid' });
    await one.registerManager({ name: 'n'.repeat(253), address: '[fd00::1]:5001' }, leaseMs);
    const longest = 'x'.repeat(253);
    await one.registerEndpoint(
      endpoint(longest, { networkServiceName: longest, nseProviderNamespace: longest }),
    );
    await until(one, () => one.endpointsOf(longest).length === 1);
  });
}
