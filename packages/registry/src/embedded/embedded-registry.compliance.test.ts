// The embedded registry, itself and through its service, against the compliance suite.
import { compliance } from '../compliance/compliance.js';
import { RegistryFixture } from '../compliance/registry-fixture.js';
import type { Registry } from '../registry.js';
import { RemoteRegistry } from '../remote/remote-registry.js';

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
