// Every kind of tunnel, and shared memory, between pods of two nodes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, podOf } from './annotated.js';
import { image, imageNode } from './config.js';
import { eventually } from './eventually.js';
import { managerNodes, system } from './installation.js';
import { application, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const kinds = ['VXLAN', 'GRE', 'VXLAN_GRE', 'MPLSoGRE', 'MPLSoUDP', 'MPLSoEthernet'];
const serviceOf = (kind: string): string => `by-${kind.toLowerCase().replaceAll('_', '-')}`;
const memory = 'by-memory';
/** Of the node's manager: both ends of shared memory meet in it. */
const runFolder = { name: 'run', hostPath: { path: '/run/nsm', type: 'Directory' } };

describe('between pods of two nodes', async () => {
  const nodes = await managerNodes();
  const [first = '', second = ''] = nodes;
  const possible = nodes.length > 1;
  if (!possible) process.stderr.write('not run: tunnels: the cluster has managers on one node alone\n');
  let here: TestNamespace;

  describe.skipIf(!possible)('packets go', () => {
    beforeAll(async () => {
      const tunnels = kinds.map((kind) => `${serviceOf(kind)}=${kind}`).join();
      await system.kubectl(['set', 'env', 'daemonset/nsm-manager', `NSM_TUNNEL=${tunnels}`]);
      await system.rolledOut('daemonset/nsm-manager');
      here = await TestNamespace.create('tunnels');
      const services = [...kinds.map(serviceOf), memory];
      const [service = '', ...others] = services;
      const args = others.flatMap((name) => ['--service', name]);
      await here.apply(endpoints('echo', 'icmp-responder', service, { node: first, args }));
      await here.rolledOut('deployment/echo');
    });

    afterAll(async () => {
      await here?.[Symbol.asyncDispose]();
      await system.kubectl(['set', 'env', 'daemonset/nsm-manager', 'NSM_TUNNEL-']);
      await system.rolledOut('daemonset/nsm-manager');
    });

    it.each(kinds)('through %s', async (kind) => {
      const service = serviceOf(kind);
      await here.apply(attached(service, service, { node: second }));
      const client = `deployment/${service}`;
      await here.rolledOut(client);
      const pinging = await here.startPinging(client, await answered(here, client));
      const { metadata } = await podOf(here, service);
      const [status] = JSON.parse(metadata.annotations?.['networkservicemesh.io/status'] ?? '[]');
      expect(status).toMatchObject({ state: 'SYNCED', tunnel: { type: kind } });
      expect(await pinging.stop()).toMatchObject({ lost: 0 });
      await here.remove(client);
    });

    it('from shared memory (MEM), whose other end is a kernel', async () => {
      await here.apply(sharingMemory('shared'));
      await here.until('pod/shared', 'condition=Ready');
      await eventually('the application has its device', async () =>
        (await here.kubectl(['logs', 'shared', '--container', 'memif'])).includes('connected'),
      );
      await answered(here, 'shared', 'mem0');
    });
  });

  /** A pod with an application that speaks memif, and gives the pod a device for it. */
  function sharingMemory(name: string): object {
    const memif = '/usr/lib/nsm/dist/bundle/program/memif-main.js';
    const script = `
      const { execFileSync, spawn } = require('node:child_process');
      const text = execFileSync('nsm', ['connect', '${memory}', '--interface', 'mem', '--json'], { encoding: 'utf8' });
      const { interfaceParameters: parameters, mac, mtu, addresses } = JSON.parse(text);
      spawn('${imageNode}', ['${memif}', JSON.stringify({ parameters, mac, mtu, addresses })], { stdio: 'inherit' });`;
    const speaking = {
      name: 'memif',
      image,
      command: [imageNode, '-e', script],
      stdin: true,
      env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
      securityContext: { privileged: true, runAsUser: 0 },
      volumeMounts: [{ name: 'run', mountPath: '/run/nsm' }],
    };
    const { spec, ...rest } = application(name, { node: second }) as { spec: { containers: object[] } };
    return { ...rest, spec: { ...spec, containers: [...spec.containers, speaking], volumes: [runFolder] } };
  }
});
