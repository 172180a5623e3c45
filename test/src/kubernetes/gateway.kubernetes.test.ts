// A pod whose default route is a gateway's, which has CAP_NET_ADMIN and nothing more: its cluster is where it was before.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applicationImage } from './config.js';
import { inUrl } from './in-url.js';
import { managerNodes, system } from './installation.js';
import { kubectl } from './kubectl.js';
import { application, applications, connectedByInit, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const port = 8080;
/** Of nobody: TEST-NET-2, RFC 5737. */
const elsewhere = '198.51.100.1';

const served = {
  name: 'shell',
  image: applicationImage,
  command: [
    'sh',
    '-c',
    `mkdir -p /tmp/www && hostname >/tmp/www/index.html && exec httpd -f -p ${port} -h /tmp/www`,
  ],
  readinessProbe: { httpGet: { path: '/', port }, periodSeconds: 1, failureThreshold: 1 },
};

describe('a pod whose default route is a gateway’s', () => {
  let here: TestNamespace;
  let first: string;
  let second: string;

  beforeAll(async () => {
    const nodes = await managerNodes();
    first = nodes[0] ?? '';
    second = nodes.at(-1) ?? '';
    await system.kubectl([
      'set',
      'env',
      'daemonset/nsm-manager',
      `NSM_CLUSTER_PREFIX=${await clusterPrefixes()}`,
    ]);
    await system.rolledOut('daemonset/nsm-manager');
    here = await TestNamespace.create('gateway');
    const gateway = endpoints('edge', 'gateway', 'edge', {
      node: first,
      args: ['--outside', 'eth0', '--prefix', '10.61.0.0/24'],
      securityContext: {
        runAsUser: 0,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      },
    });
    const service = { metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports: [{ port }] } };
    await here.apply(
      gateway,
      applications('web', 1, { node: first, spec: { containers: [served] } }),
      { apiVersion: 'v1', kind: 'Service', ...service },
      application('host', { node: first, spec: { hostNetwork: true } }),
      connectedByInit('user', 'edge', { node: second, spec: { containers: [served] } }),
    );
    await here.rolledOut('deployment/web');
    await here.until('pod/host', 'condition=Ready');
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
    await system.kubectl(['set', 'env', 'daemonset/nsm-manager', 'NSM_CLUSTER_PREFIX-']);
    await system.rolledOut('daemonset/nsm-manager');
  });

  const wayTo = async (address: string): Promise<string> => {
    const [, device = ''] = / dev (\S+)/.exec(await here.exec('user', ['ip', 'route', 'get', address])) ?? [];
    return device;
  };
  const fetchFrom = (pod: string, host: string): Promise<string> =>
    here.exec(pod, ['timeout', '5', 'wget', '-qO-', `http://${inUrl(host)}:${port}/`]);
  const addressOf = async (resource: string, path: string): Promise<string> =>
    (await here.kubectl(['get', resource, '-o', `jsonpath={${path}}`])).trim();

  it('is probed by its kubelet', async () => {
    await here.until('pod/user', 'condition=Ready');
    expect(await wayTo(elsewhere)).toBe('nsm0');
  });

  it('finds Services by their names, and calls them', async () => {
    for (const [resource, path] of [
      ['service/web', '.spec.clusterIP'],
      ['pod/user', '.status.hostIP'],
      ['pod/host', '.status.hostIP'],
    ] as const)
      expect(await wayTo(await addressOf(resource, path))).toBe('eth0');
    expect(await fetchFrom('user', 'web')).toMatch(/^web-/);
  });

  it('answers the host network of another node', async () => {
    expect(await fetchFrom('host', await addressOf('pod/user', '.status.podIP'))).toBe('user\n');
  });

  it('stays so while managers are replaced, and keeps nothing of it without the connection', async () => {
    await system.kubectl(['rollout', 'restart', 'daemonset/nsm-manager']);
    await system.rolledOut('daemonset/nsm-manager');
    expect(await fetchFrom('user', 'web')).toMatch(/^web-/);
    expect(await wayTo(elsewhere)).toBe('nsm0');
    await here.remove('deployment/edge');
    await here.remove('pod/user');
  });
});

/** Of Pods, nodes and Services, as a file of configuration would have them. */
async function clusterPrefixes(): Promise<string> {
  const ask = async (kind: string, path: string): Promise<string[]> => {
    const text = await kubectl(['get', kind, '-o', `jsonpath={range .items[*]}{${path}}{"\\n"}{end}`]);
    return text.split(/[\s,"[\]]+/).filter((word) => word !== '');
  };
  const addresses = await ask('nodes', '.status.addresses[?(@.type=="InternalIP")].address');
  return [
    ...(await ask('nodes', '.spec.podCIDRs')),
    ...(await ask('servicecidrs', '.spec.cidrs')),
    ...addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
  ].join();
}
