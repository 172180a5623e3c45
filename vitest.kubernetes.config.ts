// The suites that need a Kubernetes cluster: npm run test:kubernetes (scripts/test-kubernetes.mjs).
import { defineConfig } from 'vitest/config';
import type { TestSpecification } from 'vitest/node';
import { KnownPatterns } from './scripts/known-patterns.mjs';

/** What the others did is looked at in the end. */
class RightsLast extends KnownPatterns {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLast = ({ moduleId }: TestSpecification): number => Number(moduleId.includes('/rights.'));
    return (await super.sort(files)).sort((one, other) => isLast(one) - isLast(other));
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
    sequence: { sequencer: RightsLast },
    include: ['test/dist/kubernetes/**/*.kubernetes.test.js', 'packages/*/dist/**/*.kubernetes.test.js'],
    globalSetup: 'test/dist/kubernetes/installation.js',
    setupFiles: 'test/dist/kubernetes/tell-of-failures.js',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
