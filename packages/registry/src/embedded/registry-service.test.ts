// The watch over gRPC: snapshot, synced, changes, and what happens to those who do not keep up.
import { NsmError } from '@nsm/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endpoint } from '../compliance/compliance-harness.js';
import { RegistryFixture } from '../compliance/registry-fixture.js';
import type { EmbeddedRegistry } from './embedded-registry.js';

describe('nsmregistry.Registry', () => {
  let fixture: RegistryFixture;
  let registry: EmbeddedRegistry;

  beforeEach(async () => {
    fixture = new RegistryFixture({ maxBacklog: 1000 });
    registry = await fixture.start();
  });
  afterEach(() => fixture.close());

  const watch = (signal = new AbortController().signal) =>
    registry.service
      .watch({ $typeName: 'nsmregistry.WatchRequest', many: false }, { signal })
      [Symbol.asyncIterator]();

  it('sends what is there, then synced, then changes', async () => {
    await registry.registerEndpoint(endpoint('one'));
    const events = watch();
    expect((await events.next()).value.event.case).toBe('endpointPut');
    expect((await events.next()).value.event.case).toBe('synced');
    const next = events.next();
    await registry.removeEndpoint(endpoint('one'));
    expect((await next).value.event.case).toBe('endpointRemoved');
  });

  it('cuts a watcher off that is further behind than it may be', async () => {
    const events = watch();
    await events.next();
    const names = Array.from({ length: 1001 }, (_, n) => `fw-${n}`);
    await Promise.all(names.map((name) => registry.registerEndpoint(endpoint(name))));
    const drain = async (): Promise<void> => {
      while (!(await events.next()).done);
    };
    await expect(drain()).rejects.toMatchObject({ kind: 'overload' });
  });

  it('does not count the snapshot as being behind', async () => {
    const names = Array.from({ length: 3000 }, (_, n) => `fw-${n}`);
    await Promise.all(names.map((name) => registry.registerEndpoint(endpoint(name))));
    const events = watch();
    let count = 0;
    while ((await events.next()).value.event.case !== 'synced') count++;
    expect(count).toBe(3000);
  });

  it('is one of each manager: a newer one takes its place, and others go on', async () => {
    const as = (name: string, domain = 'nsm') =>
      registry.service
        .watch(
          { $typeName: 'nsmregistry.WatchRequest', many: false },
          {
            signal: new AbortController().signal,
            remoteAddress: '10.0.0.1',
            identity: { domain, kind: 'manager', name },
          },
        )
        [Symbol.asyncIterator]();
    const [first, other, namesake] = [as('a'), as('b'), as('a', 'elsewhere')];
    for (const events of [first, other, namesake]) await events.next();
    const [ended, ...goingOn] = [first, other, namesake].map((events) => events.next());
    const newer = as('a');
    await newer.next();
    await expect(ended).rejects.toMatchObject({ kind: 'conflict' });
    await registry.registerEndpoint(endpoint('one'));
    for (const next of [...goingOn, newer.next()]) expect((await next)?.value.event.case).toBe('endpointPut');
  });

  it('is one of 64 of a host that shows no certificate', async () => {
    const from = (remoteAddress: string) =>
      registry.service
        .watch(
          { $typeName: 'nsmregistry.WatchRequest', many: false },
          { signal: new AbortController().signal, remoteAddress },
        )
        [Symbol.asyncIterator]();
    const open = Array.from({ length: 64 }, () => from('10.0.0.1'));
    for (const events of open) await events.next();
    await expect(from('10.0.0.1').next()).rejects.toMatchObject({ kind: 'overload' });
    expect((await from('10.0.0.2').next()).value.event.case).toBe('synced');
    await open[0]?.return?.(undefined);
    expect((await from('10.0.0.1').next()).value.event.case).toBe('synced');
  });

  it('ends with the caller and with the registry', async () => {
    const caller = new AbortController();
    const first = watch(caller.signal);
    const second = watch();
    await Promise.all([first.next(), second.next()]);
    const [one, two] = [first.next(), second.next()];
    caller.abort();
    await expect(one).rejects.toBeInstanceOf(NsmError);
    await registry.stop();
    await expect(two).rejects.toMatchObject({ kind: 'stopping' });
    await expect(watch().next()).rejects.toMatchObject({ kind: 'stopping' });
    await expect(registry.registerEndpoint(endpoint('late'))).rejects.toMatchObject({ kind: 'stopping' });
  });
});
