// A default route through a connection, in a pod that has one already: what goes to the cluster and answers by the pod's own interface
// stay there, for one connection or several, and nothing of it is left.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { leaks, makeNamespace, ping, requireRoot, run, type TestNamespace } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ForwarderThread, startForwarderThread } from '../index.js';

interface Plan {
  readonly family: 4 | 6;
  /** Of the pod, and of the cluster's network beside it. */
  readonly pod: string;
  readonly router: string;
  readonly length: number;
  readonly cluster: string;
  readonly service: string;
  /** Of a node that no prefix tells of. */
  readonly node: string;
  /** Behind each gateway. */
  readonly world: string;
  readonly whole: string;
  readonly own: readonly [string, string];
  readonly gateways: readonly [string, string];
  readonly pair: number;
}

const plans: readonly Plan[] = [
  {
    family: 4,
    pod: '10.244.1.5',
    router: '10.244.1.1',
    length: 24,
    cluster: '10.96.0.0/12',
    service: '10.96.0.10',
    node: '192.0.2.10',
    world: '203.0.113.5',
    whole: '0.0.0.0/0',
    own: ['10.60.0.1', '10.60.0.3'],
    gateways: ['10.60.0.0', '10.60.0.2'],
    pair: 31,
  },
  {
    family: 6,
    pod: 'fd24::5',
    router: 'fd24::1',
    length: 64,
    cluster: 'fd96::/108',
    service: 'fd96::a',
    node: '2001:db8::10',
    world: '2001:db8:1::5',
    whole: '::/0',
    own: ['fd60::1', 'fd60::3'],
    gateways: ['fd60::', 'fd60::2'],
    pair: 127,
  },
];

describe.skipIf(!requireRoot('pod routing'))('a default route through a connection', () => {
  let node: TestNamespace;
  let pod: TestNamespace;
  let router: TestNamespace;
  let gateways: readonly TestNamespace[];
  let thread: ForwarderThread;

  beforeAll(async () => {
    [node, pod, router] = ['node', 'pod', 'router'].map(makeNamespace) as [
      TestNamespace,
      TestNamespace,
      TestNamespace,
    ];
    gateways = ['gateway-1', 'gateway-2'].map(makeNamespace);
    pod.route.addLink({
      kind: 'veth',
      name: 'eth0',
      up: true,
      peer: { name: 'pod', namespace: router.namespace, up: true },
    });
    const [eth0, back] = [pod.route.link('eth0')!.index, router.route.link('pod')!.index];
    // Strict: a packet whose answer would leave by another interface is dropped.
    await run(pod.name, 'sysctl', ['-qw', 'net.ipv4.conf.all.rp_filter=1']);
    for (const plan of plans) {
      pod.route.addAddress(eth0, { address: `${plan.pod}/${plan.length}`, nodad: true });
      router.route.addAddress(back, { address: `${plan.router}/${plan.length}`, nodad: true });
      pod.route.addRoute({ destination: 'default', gateway: plan.router, device: eth0 });
      for (const address of [plan.service, plan.node])
        router.route.addAddress(router.route.link('lo')!.index, { address, nodad: true });
      for (const gateway of gateways)
        gateway.route.addAddress(gateway.route.link('lo')!.index, { address: plan.world, nodad: true });
    }
    let started: Promise<ForwarderThread> | undefined;
    node.namespace.run(() => {
      started = startForwarderThread();
    });
    thread = await started!;
  });

  afterAll(async () => {
    await thread?.stop();
    for (const namespace of [node, pod, router, ...(gateways ?? [])]) namespace?.remove();
    expect(leaks()).toEqual([]);
  });

  const through = (which: 0 | 1, plan: Plan): fw.CrossConnect => {
    const [own, gateway] = [plan.own[which], plan.gateways[which]];
    const side = (
      { namespace, name }: TestNamespace,
      device: string,
      address: string,
      peer: string,
    ): fw.Port =>
      create(fw.PortSchema, {
        type: InterfaceType.KERNEL_INTERFACE,
        namespace: { inode: namespace.inode, path: `/run/netns/${name}` },
        name: device,
        mac: `02:00:00:00:0${which}:0${device.startsWith('nse') ? 2 : 1}`,
        mtu: 1500,
        addresses: [`${address}/${plan.pair}`],
        peerAddresses: [peer],
      });
    const client = side(pod, `nsm${which}`, own, gateway);
    client.routes.push(create(fw.PortSchema, { routes: [{ destination: plan.whole, gateway }] }).routes[0]!);
    return create(fw.CrossConnectSchema, {
      id: `node-a:12345678-${which}`,
      client,
      endpoint: side(gateways[which]!, `nse${which}`, gateway, own),
    });
  };

  const wayTo = (address: string, from?: string): string => {
    const { device } = pod.route.routeTo(address, from);
    return pod.route.link(device)?.name ?? `#${device}`;
  };

  /** All that routes in the pod, as `ip` tells it. */
  const routing = async ({ family }: Plan): Promise<string[]> => {
    const ip = (...args: string[]): Promise<string> => run(pod.name, 'ip', [`-${family}`, ...args]);
    const texts = [await ip('route', 'show', 'table', 'all'), await ip('rule')];
    return texts.flatMap((text) => text.split('\n')).filter((line) => line !== '' && !/fe80|ff00/.test(line));
  };

  it.each(plans)('takes nothing of the cluster and no answer: IPv$family', async (plan) => {
    const { cluster, service, world, node: other, pod: own } = plan;
    await thread.client.keepPrefixes({ prefixes: [cluster] });
    const before = await routing(plan);
    const [first, second] = [through(0, plan), through(1, plan)];
    await thread.client.apply(first);
    expect([service, world, other].map((to) => wayTo(to))).toEqual(['eth0', 'nsm0', 'nsm0']);
    expect((await ping(pod.name, service)).received).toBe(1);
    expect((await ping(pod.name, world)).received).toBe(1);
    const answered = await run(router.name, 'ping', ['-n', '-c1', '-W3', '-I', other, own]);
    expect(answered).toContain('1 received');

    // The first of several is the way, and each answers for itself.
    await thread.client.apply(second);
    expect([wayTo(world), wayTo(world, plan.own[0]), wayTo(world, plan.own[1])]).toEqual([
      ...['nsm0', 'nsm0', 'nsm1'],
    ]);
    expect(wayTo(other, own)).toBe('eth0');
    await thread.client.remove({ crossConnects: [first] });
    expect([wayTo(world), wayTo(service), wayTo(other, own)]).toEqual(['nsm1', 'eth0', 'eth0']);
    await thread.client.remove({ crossConnects: [second] });
    expect(await routing(plan)).toEqual(before);
  });

  it.each(plans)('leaves nothing where it cannot be had: IPv$family', async (plan) => {
    await thread.client.keepPrefixes({ prefixes: [plan.cluster] });
    const [wanted, network] = [through(0, plan), plan.family === 4 ? '10.77.0.0/16' : 'fd77::/64'];
    pod.route.addRoute({ destination: network, gateway: plan.router, device: pod.route.link('eth0')!.index });
    const before = await routing(plan);
    wanted.client!.routes.push({ ...wanted.client!.routes[0]!, destination: network });
    await expect(thread.client.apply(wanted)).rejects.toThrow(/routes .* through eth0 already/);
    expect(await routing(plan)).toEqual(before);
    pod.route.deleteRoute({ destination: network });
  });

  it.each(plans)('is mended with all that belongs to it: IPv$family', async (plan) => {
    const { cluster, service, node: other, pod: own, family } = plan;
    await thread.client.keepPrefixes({ prefixes: [] });
    const wanted = through(0, plan);
    const before = await routing(plan);
    await thread.client.apply(wanted);
    const whole = await routing(plan);
    expect((await thread.client.apply(wanted)).mended).toEqual([]);
    await run(pod.name, 'ip', [`-${family}`, 'rule', 'del', 'from', own]);
    expect((await thread.client.apply(wanted)).mended).toEqual([
      `route for what is sent from ${own}/${family === 4 ? 32 : 128} of nsm0 (client)`,
    ]);
    expect(await routing(plan)).toEqual(whole);
    // A prefix that the cluster has from now on, and has no more.
    expect(wayTo(service)).toBe('nsm0');
    await thread.client.keepPrefixes({ prefixes: [cluster] });
    await thread.client.apply(wanted);
    expect([wayTo(service), wayTo(other, own)]).toEqual(['eth0', 'eth0']);
    await thread.client.keepPrefixes({ prefixes: [] });
    await thread.client.apply(wanted);
    expect(await routing(plan)).toEqual(whole);
    await thread.client.remove({ crossConnects: [wanted] });
    expect(await routing(plan)).toEqual(before);
  });
});
