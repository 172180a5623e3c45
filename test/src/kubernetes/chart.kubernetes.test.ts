// The chart: checked, installed, used, upgraded and uninstalled, with packets all the while.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { earlierChart, earlierImage } from './config.js';
import { eventually } from './eventually.js';
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

/** Kinds of what the chart installs, but for its custom resources. */
const installed = [
  'clusterroles,clusterrolebindings,daemonsets,deployments,serviceaccounts,roles,rolebindings,services',
  'networkpolicies,poddisruptionbudgets,mutatingwebhookconfigurations,customresourcedefinitions',
  'validatingadmissionpolicies,validatingadmissionpolicybindings',
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
    const wrong = [
      'manager.port=none',
      'registry=https://x',
      'manager.env.PREFIX=x',
      'manger.port=5001',
      'domain=A/b',
    ];
    for (const value of wrong)
      await expect(helm('template', 'nsm', chart, '--kube-version=1.34.0', '--set', value)).rejects.toThrow(
        /schema/,
      );
  });

  it('installs managers that attach the pods of a Deployment by its annotation', async () => {
    // Not where the manager would look without being told: kubelet gives pods the sockets all the same.
    const elsewhere = earlierChart === undefined ? ['--set', 'manager.runDir=/run/nsm-chart'] : [];
    const values = [...imageValues(earlierImage), ...elsewhere];
    const from = earlierChart ?? chart;
    await helm('install', 'nsm', from, '--create-namespace', '--wait', '--timeout=2m', ...values);
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
    await helm('upgrade', 'nsm', chart, ...imageValues(), ...more);
    await system.rolledOut('daemonset/nsm-manager');
    expect((await pinging.stop()).lost).toBe(0);
    expect(await here.addresses('deployment/web', 'nsm-1')).toEqual([address]);
  });

  it('leaves the custom resources when it is uninstalled, and nothing else', async () => {
    const pod = 'deployment/web';
    await here.kubectl(['annotate', 'pods', '--selector=app=web', 'networkservicemesh.io-']);
    await eventually('the interface is gone', async () => (await here.addresses(pod, 'nsm-1')).length === 0);
    await here.remove('deployment/echo');
    await system.remove('daemonset/nsm-manager', '--cascade=foreground');
    await helm('uninstall', 'nsm', '--wait');
    const namesOf = (...of: string[]): Promise<string> => kubectl(['get', ...of, '-A', '-o', 'name']);
    expect(await namesOf(installed.join(), '-l', 'app.kubernetes.io/name=nsm')).toBe('');
    // What managers wrote while they ran.
    expect(await namesOf('nsmgr,nse')).toBe('');
    expect(await namesOf('services,endpointslices,leases', '-l', 'networkservicemesh.io/manager')).toBe('');
    expect(await here.exec(pod, ['ls', '/sys/class/net'])).not.toMatch(/nsm/);
    await kubectl(['delete', 'namespace', system.name, '--timeout=60s']);
    for (const crd of crds)
      await kubectl(['get', 'customresourcedefinition', `${crd}.networkservicemesh.io`]);
  });
});
