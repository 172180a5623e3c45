// A Deployment that is annotated calls a server through a gateway, and as before when the annotation goes. The server says who calls it.
import { isIPv6 } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { podOf } from './annotated.js';
import { applicationImage } from './config.js';
import { eventually } from './eventually.js';
import { inUrl } from './in-url.js';
import { managerNodes } from './installation.js';
import { application, applications, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const key = 'networkservicemesh.io';
/** The server is in the cluster, whose traffic no connection takes without being told to. */
const annotation = 'kernel://annotated-edge/nsm-1#accept_routes=any';
const port = 8080;

const script = `mkdir -p /tmp/www/cgi-bin && cd /tmp/www/cgi-bin &&
  printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' >who && chmod +x who && exec httpd -f -p ${port} -h /tmp/www`;
const serving = {
  name: 'shell',
  image: applicationImage,
  command: ['sh', '-c', script],
  readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
};

describe('a Deployment', () => {
  let here: TestNamespace;
  let server: string;
  let gateway: string;

  const addressOf = async (name: string): Promise<string> =>
    String((await podOf(here, name)).status?.podIP).replace(/^::ffff:/, '');
  const caller = async (): Promise<string> => {
    const call = ['timeout', '5', 'wget', '-qO-', `http://${inUrl(server)}:${port}/cgi-bin/who`];
    const said = await here.exec((await podOf(here, 'user')).metadata.name, call);
    return said.trim().replace(/^\[?(::ffff:)?|\]$/g, '');
  };
  const callsAs = (what: string, address: () => Promise<string>): Promise<void> =>
    eventually(what, async () => (await caller()) === (await address()));
  const throughGateway = (): Promise<void> => callsAs('it calls through the gateway', async () => gateway);
  const byItself = (): Promise<void> => callsAs('it calls by itself', () => addressOf('user'));
  const annotate = async (value: string | null): Promise<void> => {
    const template = { metadata: { annotations: { [key]: value } } };
    const patch = JSON.stringify({ spec: { template } });
    await here.kubectl(['patch', 'deployment/user', '--type=merge', '-p', patch]);
    await here.rolledOut('deployment/user');
  };

  beforeAll(async () => {
    here = await TestNamespace.create('annotated');
    const nodes = await managerNodes();
    const [first = '', second = ''] = [nodes[0], nodes.at(-1)];
    await here.apply(application('server', { node: first, spec: { containers: [serving] } }));
    await here.until('pod/server', 'condition=Ready');
    server = await addressOf('server');
    const fourth = ['--prefix', '10.62.0.0/24', '--route', `${server}/32`];
    const sixth = ['--prefix', 'fd62::/64', '--route', `${server}/128`];
    await here.apply(
      endpoints('edge', 'gateway', 'annotated-edge', {
        node: first,
        args: ['--outside', 'eth0', ...(isIPv6(server) ? sixth : fourth)],
        securityContext: {
          runAsUser: 0,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
        },
      }),
      applications('user', 1, { node: second }),
    );
    for (const name of ['edge', 'user']) await here.rolledOut(`deployment/${name}`);
    gateway = await addressOf('edge');
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  it('calls through the gateway when it is annotated', async () => {
    await byItself();
    await annotate(annotation);
    await throughGateway();
  });

  it('does so, or not, as the annotation of its running pod says', async () => {
    const { metadata } = await podOf(here, 'user');
    await here.kubectl(['annotate', 'pod', metadata.name, `${key}-`]);
    await byItself();
    await here.kubectl(['annotate', 'pod', metadata.name, `${key}=${annotation}`]);
    await throughGateway();
    expect((await podOf(here, 'user')).metadata.uid).toBe(metadata.uid);
  });

  it('calls by itself when it is annotated no longer', async () => {
    await annotate(null);
    await byItself();
    expect(await here.addresses('deployment/user', 'nsm-1')).toEqual([]);
  });
});
