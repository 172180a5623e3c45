// Two tenants, each a Kubernetes namespace, whom a NetworkServicePolicy keeps apart.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, podOf } from './annotated.js';
import { eventually } from './eventually.js';
import { managerNodes, system } from './installation.js';
import { endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const colours = ['red', 'blue'] as const;
const both = 'kernel://tenant-red/nsm-1, kernel://tenant-blue/nsm-2';
const own = { red: 'nsm-1', blue: 'nsm-2' };

describe('tenants', () => {
  const spaces = new Map<string, TestNamespace>();
  const of = (colour: string): TestNamespace => spaces.get(colour) as TestNamespace;

  const policy = (): object => ({
    apiVersion: 'networkservicemesh.io/v1',
    kind: 'NetworkServicePolicy',
    metadata: { name: 'tenants' },
    spec: {
      rules: colours.map((colour) => ({
        name: `${colour}-among-themselves`,
        effect: 'allow',
        services: [`tenant-${colour}`],
        subjects: [{ kubernetes: { namespace: [of(colour).name] } }],
      })),
    },
  });
  const putInForce = async (): Promise<void> => {
    await system.apply(policy());
    await system.until('nspol/tenants', 'jsonpath={.status.state}=InForce');
  };
  const interfacesOf = async (colour: string): Promise<string[]> => {
    const text = await of(colour).exec('deployment/client', ['ls', '/sys/class/net']);
    return text.split(/\s+/).filter((name) => name.startsWith('nsm-'));
  };
  const hasOnly = (colour: 'red' | 'blue') => async (): Promise<boolean> =>
    (await interfacesOf(colour)).join() === own[colour];

  beforeAll(async () => {
    for (const colour of colours) spaces.set(colour, await TestNamespace.create(colour));
    await putInForce();
    const nodes = await managerNodes();
    for (const [index, colour] of colours.entries()) {
      const [here = '', there = ''] = index === 0 ? [nodes[0], nodes.at(-1)] : [nodes.at(-1), nodes[0]];
      await of(colour).apply(
        endpoints('echo', 'icmp-responder', `tenant-${colour}`, { node: here }),
        attached('client', '', { annotation: both, node: there }),
      );
      await of(colour).rolledOut('deployment/echo');
    }
  });

  afterAll(async () => {
    await system.kubectl(['delete', 'nspol/tenants', '--ignore-not-found']);
    for (const space of spaces.values()) await space[Symbol.asyncDispose]();
  });

  it('have their own services, and are told by which rule they do not have the other', async () => {
    for (const colour of colours) {
      await answered(of(colour), 'deployment/client', own[colour]);
      const { metadata } = await podOf(of(colour), 'client');
      const path = '{.status.conditions[?(@.type=="networkservicemesh.io/connected")].message}';
      await eventually('the pod is told', async () =>
        /NSM0106/.test(await of(colour).kubectl(['get', `pod/${metadata.name}`, '-o', `jsonpath=${path}`])),
      );
      expect(await interfacesOf(colour)).toEqual([own[colour]]);
    }
  });

  it('cannot provide a service of the other', async () => {
    await of('blue').apply(endpoints('pretender', 'icmp-responder', 'tenant-red'));
    await eventually('the pretender is refused', async () =>
      /NSM0106/.test(await of('blue').kubectl(['logs', 'deployment/pretender'])),
    );
    await answered(of('red'), 'deployment/client', own.red);
  });

  it('have what a change of the policy gives and takes, at once and without a new pod', async () => {
    await system.remove('nspol/tenants');
    for (const colour of colours)
      for (const name of Object.values(own)) await answered(of(colour), 'deployment/client', name);
    await putInForce();
    for (const colour of colours) {
      await eventually('each has its own alone', hasOnly(colour));
      await answered(of(colour), 'deployment/client', own[colour]);
    }
  });
});
