// Clients of one `nsm://` registry against the compliance suite.
import { compliance } from '../compliance/compliance.js';
import { RegistryFixture } from '../compliance/registry-fixture.js';
import { RemoteRegistry } from './remote-registry.js';

compliance('nsm:', async () => {
  const fixture = new RegistryFixture();
  await fixture.start();
  return {
    async open(options) {
      const registry = new RemoteRegistry(fixture.url, options);
      await registry.start();
      return registry;
    },
    advance: (milliseconds) => fixture.clock.advance(milliseconds),
    server: {
      stop: () => fixture.stop(),
      start: () => fixture.start(),
      loseStore: () => fixture.loseStore(),
    },
    close: () => fixture.close(),
  };
});
