// Pods that the managers attach by their annotation.
import { eventually } from './eventually.js';
import { managerNodes, nsm } from './installation.js';
import { otherEnd } from './other-end.js';
import type { Pinging } from './pinging.js';
import { applications, type PodOptions } from './pods.js';
import type { KubernetesObject, TestNamespace } from './test-namespace.js';

const key = 'networkservicemesh.io';

/** A Deployment of one application that asks for a service, by interface nsm-1 where the annotation says nothing else. */
export function attached(
  name: string,
  service: string,
  {
    annotation = `kernel://${service}/nsm-1`,
    ...options
  }: PodOptions & { readonly annotation?: string } = {},
): object {
  return applications(name, 1, { ...options, annotations: { [key]: annotation } });
}

/** Of the pod of a Deployment that is not going. */
export async function podOf(here: TestNamespace, name: string): Promise<KubernetesObject> {
  const pods = await here.list('pods', `app=${name}`);
  const running = pods.filter(({ metadata }) => !('deletionTimestamp' in metadata));
  if (running.length !== 1 || !running[0]) throw new Error(`${name} has ${running.length} pods`);
  return running[0];
}

/** Waits until the endpoint of a connection answers. @returns its address. */
export async function answered(here: TestNamespace, pod: string, interfaceName = 'nsm-1'): Promise<string> {
  let peer = '';
  await eventually(
    `the endpoint answers ${pod} by ${interfaceName}`,
    async () => {
      const [own = ''] = await here.addresses(pod, interfaceName);
      peer = otherEnd(own);
      await here.ping(pod, peer, 1);
      return true;
    },
    180_000,
  );
  return peer;
}

/** Pings the endpoint of a connection until it is told to stop. */
export async function pingEndpoint(here: TestNamespace, pod: string): Promise<Pinging> {
  return here.startPinging(pod, await answered(here, pod));
}

/** Connections that the managers have for a pod. */
export async function connectionsOf(podUid: string): Promise<readonly unknown[]> {
  const lists = await Promise.all(
    (await managerNodes()).map((node) => nsm(node, 'get', 'connections', '--json')),
  );
  return lists
    .flatMap((text) => JSON.parse(text) as { readonly requestId: string }[])
    .filter(({ requestId }) => requestId.startsWith(podUid));
}
