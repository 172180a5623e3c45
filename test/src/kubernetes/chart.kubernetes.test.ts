// The chart: checked, installed, used, upgraded and uninstalled, with packets all the while.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chart, helm, imageValues, requireHelm } from './helm.js';
import { install, managerNodes, system, uninstall } from './installation.js';
import { kubectl } from './kubectl.js';
import { otherEnd } from './other-end.js';
import { applications, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const crds = [
  'networkservices',
  'networkserviceendpoints',
  'networkservicemanagers',
  'networkservicepolicies',
];

describe.skipIf(!requireHelm('the chart'))('the chart', () => {
  let here: TestNamespace;
  beforeAll(async () => {
    await uninstall();
    here = await TestNamespace.create('chart');
  });
  afterAll(async () => {
    await here[Symbol.asyncDispose]();
    await install();
  });

  it('has no fault that helm finds, and refuses values that make no sense', async () => {
    await helm('lint', '--strict', chart);
    const wrong = ['manager.port=none', 'registry=https://x', 'manager.env.PREFIX=x', 'manger.port=5001'];
    for (const value of wrong)
      await expect(helm('template', 'nsm', chart, '--kube-version=1.34.0', '--set', value)).rejects.toThrow(
        /schema/,
      );
  });

  it('installs managers that attach the pods of a Deployment by its annotation', async () => {
    await helm('install', 'nsm', chart, '--create-namespace', '--wait', '--timeout=2m', ...imageValues());
    const nodes = await managerNodes();
    await here.apply(
      endpoints('echo', 'icmp-responder', 'chart-echo', { node: nodes[0] ?? '' }),
      applications('web', 1, {
        node: nodes.at(-1) ?? '',
        annotations: { 'networkservicemesh.io': 'kernel://chart-echo/nsm-1' },
      }),
    );
    await here.rolledOut('deployment/web');
    const [pod] = await here.list('pods', 'app=web');
    await here.until(
      `pod/${pod?.metadata.name}`,
      'jsonpath={.metadata.annotations.networkservicemesh\\.io/status}',
    );
    const [address = ''] = await here.addresses('deployment/web', 'nsm-1');
    await here.ping('deployment/web', otherEnd(address));
  });

  it('is upgraded without a lost packet', async () => {
    const [address = ''] = await here.addresses('deployment/web', 'nsm-1');
    const pinging = await here.startPinging('deployment/web', otherEnd(address));
    const more = ['--reset-then-reuse-values', '--set', 'manager.logLevel=debug', '--wait', '--timeout=2m'];
    await helm('upgrade', 'nsm', chart, ...more);
    await system.rolledOut('daemonset/nsm-manager');
    expect((await pinging.stop()).lost).toBe(0);
    expect(await here.addresses('deployment/web', 'nsm-1')).toEqual([address]);
  });

  it('leaves the custom resources when it is uninstalled, and nothing else', async () => {
    await helm('uninstall', 'nsm', '--wait');
    const kinds =
      'clusterroles,clusterrolebindings,daemonsets,serviceaccounts,roles,rolebindings,customresourcedefinitions';
    const left = await kubectl(['get', kinds, '-A', '-o', 'name', '-l', 'app.kubernetes.io/name=nsm']);
    expect(left).toBe('');
    for (const crd of crds)
      await kubectl(['get', 'customresourcedefinition', `${crd}.networkservicemesh.io`]);
  });
});
