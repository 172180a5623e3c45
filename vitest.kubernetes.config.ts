// The suites that need a Kubernetes cluster: npm run test:kubernetes (scripts/test-kubernetes.mjs).
import { defineConfig } from 'vitest/config';
import type { TestSpecification } from 'vitest/node';
import { KnownPatterns } from './scripts/known-patterns.mjs';

/**
 * What the others did is looked at in the end; and before that comes what restarts the API server again and again: Kubernetes itself
 * needs a minute to be as it was.
 */
const last = ['compliance', '/rights.'];

class SomeLast extends KnownPatterns {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      last.findIndex((part) => moduleId.includes(part));
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    name: 'kubernetes',
    pool: 'forks',
    server: { deps: { external: [/\/dist\/(?!.*\.test\.js)/] } },
    isolate: false,
    // There is one product on the cluster, and some suites restart its managers.
    maxWorkers: 1,
    sequence: { sequencer: SomeLast },
    include: ['test/dist/kubernetes/**/*.kubernetes.test.js', 'packages/*/dist/**/*.kubernetes.test.js'],
    globalSetup: 'test/dist/kubernetes/installation.js',
    setupFiles: 'test/dist/kubernetes/tell-of-failures.js',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
