// The embedded registry, itself and through its service, against the compliance suite.
import { compliance } from './compliance.js';
import type { Registry } from './registry.js';
import { RegistryFixture } from './registry-fixture.js';
import { RemoteRegistry } from './remote-registry.js';

compliance(
  'embedded:',
  async () => {
    const fixture = new RegistryFixture();
    let first: Registry | undefined = await fixture.start();
    return {
      async open() {
        const registry = first ?? new RemoteRegistry(fixture.url);
        if (!first) await registry.start();
        first = undefined;
        return registry;
      },
      advance: (milliseconds) => fixture.clock.advance(milliseconds),
      close: () => fixture.close(),
    };
  },
  { canBeAway: false },
);
