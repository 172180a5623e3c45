// Shared memory (MEM) in pods, with the mounts that docs/kubernetes.md names and no others.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { image, imageNode } from './config.js';
import { eventually } from './eventually.js';
import { managerNodes } from './installation.js';
import { application } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const service = 'fast';
const memif = '/usr/lib/nsm/dist/bundle/program/memif-main.js';
/** Joins the memif of a connection to a device of the pod, so that its kernel answers and sends. */
const speak = `
  const { spawn } = require('node:child_process');
  const speak = ({ parameters, mac, mtu, addresses }) =>
    spawn(process.execPath, ['${memif}', JSON.stringify({ parameters, mac, mtu, addresses })], { stdio: 'inherit' });`;

/** An endpoint that speaks memif, and itself says which addresses it and its client have. */
const addresses = { client: '10.62.0.1/31', endpoint: '10.62.0.0/31' };
const serving = `${speak}
  const { createInterface } = require('node:readline');
  const flags = '--service ${service} --name memory --interface mem --address ${addresses.client}=${addresses.endpoint} --wait 30s --json';
  const endpoint = spawn('nsm', ['endpoint', 'icmp-responder', ...flags.split(' ')]);
  const speakers = new Map();
  endpoint.stderr.pipe(process.stderr);
  createInterface(endpoint.stdout).on('line', (line) => {
    console.log(line);
    const { event, connectionId, interfaceParameters: parameters } = JSON.parse(line);
    if (event === 'client-accepted')
      speakers.set(connectionId, speak({ parameters, mac: '', mtu: 1400, addresses: ['${addresses.endpoint}'] }));
    else speakers.get(connectionId)?.kill();
  });`;

/** A client whom nobody but its annotation connects, and to whom the annotation of its status tells with what. */
const connected = `${speak}
  const { readFileSync } = require('node:fs');
  const look = () => {
    const text = readFileSync('/etc/facts/status', 'utf8');
    const [one] = text === '' ? [] : JSON.parse(text);
    if (one?.parameters?.socket) speak(one);
    else setTimeout(look, 200);
  };
  look();`;

const sharedFolder = { name: 'shared', hostPath: { path: '/run/nsm/shared', type: 'Directory' } };
const facts = {
  name: 'facts',
  downwardAPI: {
    items: [
      { path: 'status', fieldRef: { fieldPath: "metadata.annotations['networkservicemesh.io/status']" } },
    ],
  },
};

describe('pods that share memory', () => {
  let here: TestNamespace;
  let first: string;
  let second: string;
  beforeAll(async () => {
    const nodes = await managerNodes();
    [first, second] = [nodes[0] ?? '', nodes.at(-1) ?? ''];
    here = await TestNamespace.create('memory');
    await here.apply(
      speaking('memory', first, serving, { resources: { limits: { 'networkservicemesh.io/socket': '1' } } }),
    );
    await here.until('pod/memory', 'condition=Ready');
  });
  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  it.each(['the same node', 'another node'])('exchange packets with a pod of %s', async (which) => {
    const name = which === 'the same node' ? 'near' : 'far';
    const annotations = { 'networkservicemesh.io': `mem://${service}` };
    await here.apply(speaking(name, name === 'near' ? first : second, connected, {}, annotations));
    await here.until(`pod/${name}`, 'condition=Ready');
    await eventually('the endpoint answers', async () => {
      await here.ping(name, '10.62.0.0', 1);
      return true;
    });
    await here.remove(`pod/${name}`);
  });

  /** A pod with a shell, and a container that runs a script; its device for the memif takes CAP_NET_ADMIN and /dev/net/tun. */
  function speaking(
    name: string,
    node: string,
    script: string,
    container: object,
    annotations: Readonly<Record<string, string>> = {},
  ): object {
    const { spec, ...rest } = application(name, { node, annotations }) as { spec: { containers: object[] } };
    const program = {
      name: 'memif',
      image,
      command: [imageNode, '-e', script],
      stdin: true,
      env: [{ name: 'NSM_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }],
      securityContext: { privileged: true, runAsUser: 0 },
      volumeMounts: [
        { name: 'shared', mountPath: '/run/nsm/shared' },
        { name: 'facts', mountPath: '/etc/facts' },
      ],
      ...container,
    };
    return {
      ...rest,
      spec: { ...spec, containers: [...spec.containers, program], volumes: [sharedFolder, facts] },
    };
  }
});
