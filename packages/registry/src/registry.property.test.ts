// Any sequence of writes by two clients, restarts of the registry among them, leads where a simple model says.
import { thorough } from '@nsm/testkit';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { contents, endpoint, until } from './compliance/compliance-harness.js';
import { RegistryFixture } from './compliance/registry-fixture.js';
import { RemoteRegistry } from './remote/remote-registry.js';

/** Managers, endpoints and claims as plain maps, each written as `contents` writes it. */
class Model {
  readonly managers = new Map<string, string>();
  readonly endpoints = new Map<string, { readonly host: string; readonly text: string }>();
  readonly claims = new Map<string, string>();

  removeManager(name: string): void {
    this.managers.delete(name);
    for (const [key, { host }] of this.endpoints) if (host === name) this.endpoints.delete(key);
    for (const [claim, holder] of this.claims) if (holder === name) this.claims.delete(claim);
  }

  /** Whether a living manager other than `host` serves an endpoint: its name is taken. */
  isServedByAnother(id: string, host: string): boolean {
    const serving = this.endpoints.get(id)?.host ?? host;
    return serving !== host && this.managers.has(serving);
  }

  contents(): string[] {
    return [...this.managers.values(), ...[...this.endpoints.values()].map(({ text }) => text)].sort();
  }
}

const client = fc.nat(1);
const host = fc.constantFrom('node-a', 'node-b', 'node-c');
const key = fc.record({
  networkServiceName: fc.constantFrom('firewall', 'vpn'),
  nseProviderName: fc.constantFrom('one', 'two'),
  nseProviderNamespace: fc.constantFrom('', 'default', 'prod'),
});
const claim = fc.constantFrom('vni-1', 'vni-2');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('register' as const), client, host }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('leave' as const), client, host }) },
  {
    weight: 8,
    arbitrary: fc.record({ op: fc.constant('add' as const), client, key, host, socket: fc.nat(3) }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('remove' as const), client, key }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('claim' as const), client, claim, host }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('release' as const), client, claim, host }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(step: Step, clients: readonly RemoteRegistry[], model: Model): Promise<void> {
  const registry = clients[step.client]!;
  switch (step.op) {
    case 'register':
      await registry.registerManager({ name: step.host, address: `${step.host}:5001` }, 3_600_000);
      model.managers.set(step.host, `${step.host} ${step.host}:5001 alive`);
      break;
    case 'leave':
      await registry.removeManager(step.host);
      model.removeManager(step.host);
      break;
    case 'add': {
      const { key, host, socket } = step;
      const namespace = key.nseProviderNamespace || 'default';
      const id = `${key.networkServiceName}/${namespace}/${key.nseProviderName}`;
      const written = registry.registerEndpoint(
        endpoint(key.nseProviderName, { ...key, networkServiceHost: host, socketLocation: `/run/${socket}` }),
      );
      if (model.isServedByAnother(id, host)) {
        await expect(written).rejects.toMatchObject({ kind: 'conflict' });
        break;
      }
      await written;
      model.endpoints.set(id, { host, text: `${id} ${host} /run/${socket}` });
      break;
    }
    case 'remove': {
      const { key } = step;
      const namespace = key.nseProviderNamespace || 'default';
      await registry.removeEndpoint(key);
      model.endpoints.delete(`${key.networkServiceName}/${namespace}/${key.nseProviderName}`);
      break;
    }
    case 'claim': {
      if (!model.managers.has(step.host)) await take({ ...step, op: 'register' }, clients, model);
      const holder = model.claims.get(step.claim) ?? step.host;
      model.claims.set(step.claim, holder);
      expect(await registry.claim(step.claim, step.host)).toBe(holder);
      break;
    }
    case 'release':
      await registry.releaseClaim(step.claim, step.host);
      if (model.claims.get(step.claim) === step.host) model.claims.delete(step.claim);
      break;
  }
}

async function play(
  steps: readonly Step[],
  outage: (fixture: RegistryFixture) => Promise<void>,
): Promise<void> {
  const fixture = new RegistryFixture();
  await fixture.start();
  const clients = [new RemoteRegistry(fixture.url), new RemoteRegistry(fixture.url)];
  try {
    for (const each of clients) await each.start();
    const model = new Model();
    for (const each of steps) await take(each, clients, model);
    const expected = JSON.stringify(model.contents());
    for (const each of clients) await until(each, () => JSON.stringify(contents(each)) === expected);
    // Those that live on would write again what they registered and the other removed.
    for (const each of clients.splice(0)) await each.stop();
    await outage(fixture);
    const late = new RemoteRegistry(fixture.url);
    clients.push(late);
    await late.start();
    await until(late, () => JSON.stringify(contents(late)) === expected);
    for (const [name, holder] of model.claims) expect(await late.claim(name, 'somebody')).toBe(holder);
  } finally {
    for (const each of clients) await each.stop();
    await fixture.close();
  }
}

it('follows the model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => play(steps, async () => undefined)),
    { numRuns: thorough ? 40 : 12 },
  );
}, 60_000);

it('follows the model over a restart of the registry', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), (steps) =>
      play(steps, async (fixture) => {
        await fixture.stop();
        await fixture.start();
      }),
    ),
    { numRuns: thorough ? 15 : 5 },
  );
}, 60_000);
