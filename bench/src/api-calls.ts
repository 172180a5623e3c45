// How many calls of the Kubernetes API were made about pods, their Events, and the objects of the mesh.
import type { Cluster } from './cluster.js';

/**
 * By anybody since the API server began, without lists, watches and Leases, which come with time. Loads of endpoints come with time, too: they
 * are written to the status of endpoint objects.
 */
export function apiCallsOf(cluster: Cluster): number {
  let calls = 0;
  for (const line of cluster.kubectl('get', '--raw', '/metrics').split('\n')) {
    const [, labels, count] = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (labels === undefined) continue;
    const { verb, group, resource, subresource } = Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    ) as Partial<Record<string, string>>;
    const isOurs = group === 'networkservicemesh.io' || resource === 'pods' || resource === 'events';
    const withTime = verb === 'LIST' || verb === 'WATCH' || isLoad(resource, subresource);
    // A pod's log is read by the benchmark itself.
    if (isOurs && !withTime && subresource !== 'log') calls += Number(count);
  }
  return calls;
}

const isLoad = (resource: string | undefined, subresource: string | undefined): boolean =>
  resource === 'networkserviceendpoints' && subresource === 'status';
