// A Service for each manager, by whose name the cluster's DNS finds it, inside the cluster or out of it.
import { isIP } from 'node:net';
import { splitHostPort, type registry as wire } from '@nsm/api';
import { endpointSlices, type KubeClient, type OwnerReference, services } from '@nsm/kube-client';
import { labels } from './mesh-objects.js';
import { labelValue, serviceName } from './object-names.js';

/**
 * Makes the Service, or brings it to the address that the manager has now. Its addresses are written, and not selected: a manager
 * may be outside of the cluster. The Service ends with `owner`, the manager's object.
 */
export async function announce(
  kube: KubeClient,
  { name: manager, address }: wire.Manager,
  owner: OwnerReference,
  namespace: string,
): Promise<void> {
  const { host, port } = splitHostPort(address);
  const name = serviceName(manager);
  const family = isIP(host);
  const own = { [labels.manager]: labelValue(manager), 'app.kubernetes.io/part-of': 'network-service-mesh' };
  const metadata = { name, namespace, labels: own, ownerReferences: [owner] };
  if (family === 0) {
    await kube.apply(services, { metadata, spec: { type: 'ExternalName', externalName: host } });
    return;
  }
  const ports = [{ name: 'nsm', port, protocol: 'TCP' as const }];
  await kube.apply(services, { metadata, spec: { type: 'ClusterIP', clusterIP: 'None', ports } });
  // Kubernetes refuses addresses of one node alone here: who calls them would call itself.
  if (/^(127\.|169\.254\.|::1$|fe80:)/i.test(host)) return;
  await kube.apply(endpointSlices, {
    metadata: {
      ...metadata,
      labels: {
        ...own,
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'networkservicemesh.io',
      },
    },
    addressType: family === 4 ? 'IPv4' : 'IPv6',
    endpoints: [{ addresses: [host], conditions: { ready: true } }],
    ports,
  });
}

/** Takes it away; its EndpointSlice ends with the manager's object. */
export async function withdraw(kube: KubeClient, manager: string, namespace: string): Promise<void> {
  const name = serviceName(manager);
  await kube.delete(services, { name, namespace });
  await kube.delete(endpointSlices, { name, namespace });
}
