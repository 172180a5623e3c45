// The test suites. They run the compiled output, so what is tested is what is shipped; `npm test` compiles first.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import type { TestSpecification } from 'vitest/node';
import { KnownPatterns } from './scripts/known-patterns.mjs';

const compiled = (pattern: string): string[] => [`packages/*/dist/**/${pattern}`, `test/dist/**/${pattern}`];

/** Compiled files are loaded by Node.js itself, as they are when they are shipped; only the tests are transformed. */
const server = { deps: { external: [/\/dist\/(?!.*\.test\.js)/] } };

/** Long files first, so that no worker is left alone with one in the end. */
class LongFirst extends KnownPatterns {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const order = ['web', 'net', 'unit'];
    const rank = ({ project }: TestSpecification): number => order.indexOf(project.name);
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

const execArgv = ['--import', fileURLToPath(new URL('scripts/shipped-threads.mjs', import.meta.url))];

const setupFiles = 'scripts/forget-last-stat.mjs';

export default defineConfig({
  test: {
    // A file waits a good half of its time: for the kernel, for processes, for time limits of the product.
    maxWorkers: 4,
    sequence: { sequencer: LongFirst },
    // Many start the nsm command, or threads, which are to be those of the same sources.
    globalSetup: ['scripts/bundle.mjs', 'scripts/bundle-test-threads.mjs'],
    projects: [
      {
        test: {
          name: 'unit',
          pool: 'forks',
          server,
          execArgv,
          setupFiles,
          // Loading the code once is most of the work.
          isolate: false,
          include: compiled('*.test.js'),
          testTimeout: 60_000,
          hookTimeout: 60_000,
          exclude: [...compiled('*.{net,web,kubernetes}.test.js'), '**/node_modules/**'],
        },
      },
      {
        test: {
          // Needs root (or a user namespace): real network namespaces, whose names tell the files' apart.
          name: 'net',
          pool: 'forks',
          server,
          execArgv,
          setupFiles,
          isolate: false,
          include: compiled('*.net.test.js'),
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // The page of `nsm dashboard`, in a browser without a window.
          name: 'web',
          pool: 'forks',
          server,
          execArgv,
          setupFiles,
          isolate: false,
          include: compiled('*.web.test.js'),
          // Writes into docs/images: npm run screenshots.
          exclude: process.env.SCREENSHOTS === '1' ? [] : compiled('screenshots.web.test.js'),
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
