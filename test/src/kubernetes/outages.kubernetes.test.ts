// What stands still when parts of the cluster are away, which is nothing that there is already; and that all goes on afterwards.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, pingEndpoint } from './annotated.js';
import { image, imageNode } from './config.js';
import { eventually } from './eventually.js';
import { managerNodes, system } from './installation.js';
import { kubectl } from './kubectl.js';
import type { Pinging } from './pinging.js';
import { application, endpoints } from './pods.js';
import { power, requirePower } from './power.js';
import { withSockets } from './restricted.js';
import { TestNamespace } from './test-namespace.js';

const service = 'outage-echo';
const failing = (value: 'Fail' | 'Ignore'): Promise<string> =>
  kubectl([
    ...['patch', 'mutatingwebhookconfiguration/nsm-webhook', '--type=json', '--patch'],
    JSON.stringify([{ op: 'replace', path: '/webhooks/0/failurePolicy', value }]),
  ]);
const clients = ['near', 'far'];
/** Milliseconds for which the API server is away. */
const awayMs = 60_000;

describe('while', () => {
  let here: TestNamespace;
  let first: string;
  let second: string;
  let made = 0;

  beforeAll(async () => {
    here = await TestNamespace.create('outages');
    const nodes = await managerNodes();
    [first, second] = [nodes[0] ?? '', nodes.at(-1) ?? ''];
    await here.apply(
      endpoints('echo', 'icmp-responder', service, { node: first }),
      attached('near', service, { node: first }),
      attached('far', service, { node: second }),
    );
    for (const name of ['echo', ...clients]) await here.rolledOut(`deployment/${name}`);
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  const beginPinging = (): Promise<Pinging[]> =>
    Promise.all(clients.map((name) => pingEndpoint(here, `deployment/${name}`)));

  async function expectNothingLost(pings: readonly Pinging[]): Promise<void> {
    for (const ping of pings) expect(await ping.stop()).toMatchObject({ lost: 0 });
  }

  /** Whether all works for those who come now. */
  async function expectNewcomer(): Promise<void> {
    const name = `newcomer-${++made}`;
    await here.apply(attached(name, service, { node: second }));
    await here.rolledOut(`deployment/${name}`);
    await answered(here, `deployment/${name}`);
    await here.remove(`deployment/${name}`);
  }

  it('the webhook is away: pods begin, and are attached, or are held back where it fails closed', async () => {
    const { spec } = await system.get('deployment/nsm-webhook');
    await system.kubectl(['scale', 'deployment/nsm-webhook', '--replicas=0']);
    try {
      await eventually(
        'nobody answers for the webhook',
        async () => (await system.list('pods', 'app.kubernetes.io/component=webhook')).length === 0,
      );
      await expectNewcomer();
      await failing('Fail');
      // Refused as soon as the API server has heard of it.
      await eventually('pods are held back', () =>
        here.kubectl(['run', 'held', `--image=${image}`, '--dry-run=server']).then(
          () => false,
          ({ message }: Error) => message.includes('annotations.networkservicemesh.io'),
        ),
      );
      await here.kubectl(['label', 'deployments,pods', '--selector=app=echo', 'nsm-test=changed']);
    } finally {
      await failing('Ignore');
      await system.kubectl(['scale', 'deployment/nsm-webhook', `--replicas=${spec?.replicas}`]);
      await system.rolledOut('deployment/nsm-webhook');
    }
  });

  describe.skipIf(!requirePower('kubelet, API server and etcd away'))('its machines fail:', () => {
    it('kubelet begins anew: the device plugin is registered again', async () => {
      const pings = await beginPinging();
      await power('restart-kubelet', second);
      await eventually('kubelet has the sockets again', async () => {
        // Of a pod that came too early kubelet says so for ever.
        await here.remove('pod/sockets', '--ignore-not-found');
        await here.apply(withSockets(application('sockets', { node: second })));
        await here.until('pod/sockets', 'condition=Ready', 10);
        return true;
      });
      expect(await here.exec('sockets', ['ls', '/run/nsm'])).toBe('client.sock\nendpoint.sock\nshared\n');
      await expectNewcomer();
      await expectNothingLost(pings);
    });

    it('the API server is away for a minute: packets flow, and pods that are known connect', async () => {
      await here.apply(calling('caller', { node: second }));
      await here.until('pod/caller', 'condition=Ready');
      const pings = await beginPinging();
      const before = await callsOf('caller');
      await power('stop-api');
      try {
        await sleep(awayMs);
      } finally {
        await power('start-api');
      }
      await eventually(
        'the API server answers',
        async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok',
      );
      const calls = await callsOf('caller');
      expect(calls.length).toBeGreaterThan(before.length + 5);
      expect(calls.filter((line) => line !== 'connected')).toEqual([]);
      await expectNewcomer();
      await expectNothingLost(pings);
      await expectEverythingThere();
    }, 300_000);

    it('etcd loses its power: what managers keep there is there again', async () => {
      const pings = await beginPinging();
      await power('crash-etcd');
      await eventually(
        'the API server answers',
        async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok',
      );
      await expectNewcomer();
      await expectNothingLost(pings);
      await expectEverythingThere();
    });
  });

  /** An application that connects and disconnects, and writes what came of it. */
  function calling(name: string, options: { readonly node: string }): object {
    const script = `
      const { spawnSync } = require('node:child_process');
      const nsm = (...args) => spawnSync('nsm', args, { encoding: 'utf8' });
      const call = () => {
        const { status, stderr } = nsm('connect', '${service}', '--timeout', '20s');
        console.log(status === 0 ? 'connected' : stderr.trim());
        nsm('disconnect', process.env.POD_UID, '${service}');
        setTimeout(call, 1000);
      };
      call();`;
    const container = { image, command: [imageNode, '-e', script] };
    return withSockets(application(name, options), container);
  }

  async function callsOf(pod: string): Promise<string[]> {
    return (await here.kubectl(['logs', pod])).split('\n').filter((line) => line !== '');
  }

  /** Nobody took an outage of the registry for that of a manager or an endpoint. */
  async function expectEverythingThere(): Promise<void> {
    const format = '{range .items[*]}{.spec.name}{.spec.networkServiceName} {.status.state}{"\\n"}{end}';
    const states = async (kind: string): Promise<string[]> =>
      (await kubectl(['get', kind, '--all-namespaces', '-o', `jsonpath=${format}`])).trim().split('\n');
    await eventually('managers and endpoints are there', async () => {
      const [managers, endpoints] = [await states('nsmgr'), await states('nse')];
      return (
        (await managerNodes()).every((node) => managers.includes(`${node} Alive`)) &&
        endpoints.includes(`${service} Serving`)
      );
    });
  }
});
