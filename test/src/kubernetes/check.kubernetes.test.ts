// nsm check of a cluster, by whoever administers it, and of a node, in the pod of its manager.
import { expect, it } from 'vitest';
import { nsm as nsmHere } from '../mesh/nsm-command.js';
import { systemNamespace } from './config.js';
import { managerNodes, nsm } from './installation.js';

interface Checks {
  readonly checks: readonly { readonly code: string; readonly level: string; readonly what: string }[];
}

/** Of those that are not well. */
const wrong = (printed: string): string[] =>
  (JSON.parse(printed) as Checks).checks
    .filter(({ level }) => level !== 'well')
    .map(({ code, level, what }) => `${code} ${level}: ${what}`);

it('nsm check finds all of an installation: rights, kinds, webhook, device plugin and signer', async () => {
  const registry = `kubernetes:${systemNamespace}`;
  const { status, stdout } = await nsmHere('check', '--only', 'kubernetes', '--registry', registry, '--json');
  expect(wrong(stdout)).toEqual([]);
  expect((JSON.parse(stdout) as Checks).checks.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['NSM0985', 'NSM0986', 'NSM0987', 'NSM0988', 'NSM0989', 'NSM0990', 'NSM0991']),
  );
  expect(status).toBe(0);
});

it('nsm check finds nothing broken on any node', async () => {
  // What is asked of the API is another's to ask: the suite of rights looks at what managers ask.
  const groups = ['kernel', 'permissions', 'folders', 'certificates', 'registry', 'network'];
  for (const node of await managerNodes()) {
    const printed = await nsm(node, 'check', '--json', ...groups.flatMap((group) => ['--only', group]));
    expect(wrong(printed).filter((line) => line.includes(' broken: '))).toEqual([]);
  }
});
