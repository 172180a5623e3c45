// The product on the cluster: installed once before the suites, as vitest's global setup, and taken away after them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@nsm/testkit';
import { image, systemNamespace } from './config.js';
import { kubectl } from './kubectl.js';
import { TestNamespace } from './test-namespace.js';

export const clone: string = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Where the product is; suites restart managers in it. */
export const system: TestNamespace = new TestNamespace(systemNamespace);

/** The manifests, with the image that is tested. */
export const manifests = (): string =>
  readFileSync(join(clone, 'deploy/kubernetes/nsm.yaml'), 'utf8').replaceAll('localhost/nsm:dev', image);

/** Applies the manifests and waits until every manager is ready. */
export async function install(): Promise<void> {
  await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: manifests() });
  await system.rolledOut('daemonset/nsm-manager');
}

/** Takes away all that the manifests have, the custom resources too. */
export async function uninstall(): Promise<void> {
  await kubectl(['delete', '--ignore-not-found', '--timeout=90s', '-f', '-'], { input: manifests() });
}

/** By these names vitest calls them. */
export { install as setup, uninstall as teardown };

/** Names of the nodes that run a manager, in order. */
export async function managerNodes(): Promise<string[]> {
  const pods = await system.list<{ readonly spec: { readonly nodeName: string } }>('pods', managers);
  return pods.map(({ spec }) => spec.nodeName).sort();
}

/** Name of the pod of a node's manager. */
export async function managerPod(node: string): Promise<string> {
  const flags = ['get', 'pods', '--selector', managers, '--field-selector', `spec.nodeName=${node}`];
  return (await system.kubectl([...flags, '-o', 'jsonpath={.items[0].metadata.name}'])).trim();
}

/** What `nsm …` prints on a node, asked of the manager there. */
export async function nsm(node: string, ...args: readonly string[]): Promise<string> {
  return system.exec(await managerPod(node), ['nsm', ...args]);
}

/** Waits until no pod of suites before is connected: their namespaces end while the next suite runs. */
export async function nobodyConnected(): Promise<void> {
  for (const node of await managerNodes()) {
    const isFree = async (): Promise<boolean> =>
      (await nsm(node, 'get', 'connections', '--json')).trim() === '[]';
    await waitFor(isFree, { timeout: 90_000, interval: 500 });
  }
}

/** Selects the pods of managers. */
export const managers = 'app.kubernetes.io/component=manager';
