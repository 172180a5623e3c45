// How a command ends whose output goes nowhere.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const nsm = fileURLToPath(new URL('../bin/nsm.js', import.meta.url));

it.each([
  [['version'], /^nsm: the output cannot be written: ENOSPC/],
  [['version', '--json'], /^{"error":{"message":"the output cannot be written: ENOSPC/],
  [['--help'], /^nsm: the output cannot be written: ENOSPC/],
])('%j fails aloud on a full disk', (args, words) => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [nsm, ...args], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  expect(stderr).toMatch(words);
  expect(status).toBe(1);
});
