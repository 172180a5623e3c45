// The rights that are checked are those that the chart gives.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { managerRights } from './kubernetes-rights.js';

const chart = fileURLToPath(
  new URL('../../../../../deploy/helm/nsm/templates/manager-rbac.yaml', import.meta.url),
);

it('asks for the rights of managers that the chart gives, and for no other', () => {
  const text = readFileSync(chart, 'utf8').replace(/^\s*#.*$/gm, '');
  const rules = [
    ...text.matchAll(/apiGroups: \[([^\]]*)\],?\s+resources: \[([^\]]*)\],?\s+verbs: \[([^\]]*)\]/g),
  ];
  const list = (words = ''): string[] => words.split(',').map((word) => word.trim().replaceAll('"', ''));
  const given = rules.flatMap(([, groups, resources, verbs]) =>
    list(groups).flatMap((group) =>
      list(resources).flatMap((resource) => list(verbs).map((verb) => `${group} ${resource} ${verb}`)),
    ),
  );
  const wanted = managerRights.map(({ group, resource, verb }) => `${group} ${resource} ${verb}`);
  expect(wanted.toSorted()).toEqual(given.toSorted());
});
