// Every command that the documentation has people type does what its page says.
import { requireRoot } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { userPages } from './pages.js';
import { runPage } from './run-page.js';

const pages = userPages().filter(({ blocks }) =>
  blocks.some(({ language }) => language === 'sh' || language === 'console'),
);

describe.skipIf(!requireRoot('the commands of the documentation'))('commands of', () => {
  for (const page of pages) {
    it(page.path, async () => {
      for (const { line, notRun } of page.blocks)
        if (notRun !== undefined) console.log(`${page.path}:${line} is not run: ${notRun}`);
      expect((await runPage(page)).join('\n\n')).toBe('');
    }, 320_000);
  }
});
