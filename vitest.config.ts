// The test suites. They run the compiled output, so what is tested is what is shipped; `npm test` compiles first.
import { defineConfig } from 'vitest/config';

const compiled = (pattern: string): string[] => [`packages/*/dist/**/${pattern}`, `test/dist/**/${pattern}`];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          pool: 'forks',
          include: compiled('*.test.js'),
          exclude: [...compiled('*.net.test.js'), '**/node_modules/**'],
        },
      },
      {
        test: {
          // Needs root (or a user namespace): real network namespaces, one file at a time since they share the kernel.
          name: 'net',
          pool: 'forks',
          include: compiled('*.net.test.js'),
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
});
