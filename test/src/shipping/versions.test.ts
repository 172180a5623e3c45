// What is shipped under different names has one version.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const read = (path: string): string =>
  readFileSync(join(fileURLToPath(new URL('../../..', import.meta.url)), path), 'utf8');

it('the chart and its manifests are of the version of the command', () => {
  const { version } = JSON.parse(read('packages/cli/package.json')) as { readonly version: string };
  expect(read('deploy/helm/nsm/Chart.yaml')).toContain(`\nversion: ${version}\nappVersion: ${version}\n`);
  const versions = read('deploy/kubernetes/nsm.yaml').match(/(?<=kubernetes\.io\/version: ").*(?=")/g);
  expect([...new Set(versions)]).toEqual([version]);
});

it('the manifests have every custom resource as it is', () => {
  const manifests = read('deploy/kubernetes/nsm.yaml');
  for (const plural of [
    'networkservices',
    'networkserviceendpoints',
    'networkservicemanagers',
    'networkservicepolicies',
  ]) {
    const definition = read(`deploy/kubernetes/crds/${plural}.yaml`);
    expect(manifests).toContain(definition.slice(definition.indexOf('\nspec:')).trimEnd());
  }
});
