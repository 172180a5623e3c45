// What endpoints answer, on real interfaces: refused with nothing left, or packets go to every peer and nothing changes afterwards.
import { create } from '@bufbuild/protobuf';
import { ConnectionParametersSchema } from '@nsm/api';
import { type RouteEvent, RouteMonitor } from '@nsm/netlink';
import { firstAnswer, ping, requireRoot, run, type TestNamespace, thorough, waitFor } from '@nsm/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RandomReply, randomReply, respellReply } from '../admission/answer.test.arbitrary.js';
import { type EndpointReply, kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

const parameters = (addresses: string[], route: string[] = []) =>
  create(ConnectionParametersSchema, { addresses, route });

/** Random answers that are tried of each endpoint. */
const numRuns = thorough ? 80 : 16;

/** Answers from here on with these addresses and routes. */
function answer(mesh: TestMesh, client: string[], endpoint: string[], route: string[] = []): void {
  mesh.answering.with = () => ({
    clientParameters: parameters(client, route),
    endpointParameters: parameters(endpoint),
  });
}

async function connect(mesh: TestMesh, service: string, pod = 'client', requestId = pod) {
  return await mesh.client(0).requestConnection({
    requestId,
    networkServiceName: service,
    linuxNamespace: mesh.pod(pod).name,
    interface: [kernel],
  });
}

async function close(mesh: TestMesh, service: string, requestId = 'client'): Promise<void> {
  await mesh.client(0).closeConnection({ requestId, networkServiceName: service });
}

/** A packet filter of the pod's own. */
async function filter({ name }: TestNamespace, chain: string, rule: string): Promise<void> {
  await run(name, 'nft', [`table inet own {\nchain own {\n${chain} priority 0\n${rule}\n}\n}`]);
}

/** What is taken away in a namespace, or given by the mesh: the kernel tells of new IPv6 addresses some time after they were given. */
function changesIn({ namespace }: TestNamespace): { readonly seen: RouteEvent[]; stop(): void } {
  const monitor = RouteMonitor.open({ namespace, groups: ['link', 'address', 'route'] });
  const seen: RouteEvent[] = [];
  monitor.on('event', (event) => {
    const added = 'action' in event && event.action === 'new';
    if (!added || (event.type === 'route' && event.route.protocol === 78)) seen.push(event);
  });
  return { seen, stop: () => monitor.close() };
}

describe.skipIf(!requireRoot('answers'))('an endpoint that answers', () => {
  const shared = sharedMesh(['client', 'near', 'far', 'one', 'two', 'three', 'endpoint']);

  it.each(['near', 'far'])(
    'anything, %s, is refused with nothing left, or its client reaches every peer and nothing is mended',
    { timeout: 300_000 },
    async (service) => {
      const { mesh } = shared;
      await mesh.serve(0, 'near', 'near');
      await mesh.serve(1, 'far', 'far');
      // One that answers on another of its interfaces needs that interface: the bridge endpoint's tests have it.
      const replies = fc
        .sample(fc.tuple(randomReply, fc.nat(7)), { numRuns, seed: service === 'near' ? 20 : 26 })
        .map(([reply, how]) =>
          respellReply({ ...reply, client: { ...reply.client, peerAddresses: [] } }, how),
        );
      const outcomes = { accepted: 0, refused: 0 };
      for (const reply of replies) outcomes[await tryReply(mesh, service, reply)]++;
      expect(outcomes.accepted).toBeGreaterThan(numRuns / 4);
      expect(outcomes.refused).toBeGreaterThan(numRuns / 4);
    },
  );

  it.each(['near', 'far'])('with single addresses, as the original system does: %s', async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    answer(mesh, ['10.61.1.5/32', 'FD00:61::5'], ['10.61.1.1', 'fd00:61::0001/128'], ['10.99.0.0/16']);
    const { connectionParameters } = await connect(mesh, service);
    expect(connectionParameters).toMatchObject({
      addresses: ['10.61.1.5/32', 'fd00:61::5/128'],
      peerAddresses: ['10.61.1.1', 'fd00:61::1'],
      route: ['10.61.1.1/32', 'fd00:61::1/128', '10.99.0.0/16'],
    });
    for (const peer of connectionParameters!.peerAddresses)
      expect(await ping(mesh.pod('client').name, peer)).toMatchObject({ received: 1 });
    // And back, without anybody's having asked.
    expect(await ping(mesh.pod(service).name, '10.61.1.5')).toMatchObject({ received: 1 });
    await close(mesh, service);
    expect(await mesh.remains()).toEqual([]);
  });

  it('with one network for all its clients reaches each of them', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'lan', 'endpoint');
    const clients = { one: '10.60.7.5', two: '10.60.7.6', three: '10.60.7.7' };
    for (const [pod, address] of Object.entries(clients)) {
      answer(mesh, [`${address}/24`], ['10.60.7.1/24']);
      expect(await connect(mesh, 'lan', pod)).toMatchObject({ accepted: true });
    }
    for (const [pod, address] of Object.entries(clients)) {
      expect(await ping(mesh.pod(pod).name, '10.60.7.1')).toMatchObject({ received: 1 });
      expect(await ping(mesh.pod('endpoint').name, address)).toMatchObject({ received: 1 });
    }
  });

  it.each(['near', 'far'])('the same to a changed request keeps its client: %s', async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    answer(mesh, ['10.60.7.5/24'], ['10.60.7.1/24'], ['10.99.0.0/16']);
    const before = await connect(mesh, service);
    const changed = await mesh.client(0).requestConnection({
      requestId: 'client',
      networkServiceName: service,
      linuxNamespace: mesh.pod('client').name,
      interface: [{ ...kernel, parameters: { interfaceParameters: { name: 'other0' } } }],
    });
    expect(changed).toMatchObject({ accepted: true, admissionError: '' });
    expect(changed.connectionParameters?.connectionId).not.toBe(before.connectionParameters?.connectionId);
    await firstAnswer(mesh.pod('client').name, '10.60.7.1');
    expect(await ping(mesh.pod(service).name, '10.60.7.5')).toMatchObject({ received: 1 });
    await close(mesh, service);
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['near', 'far'])('what cannot be is told which field is wrong: %s', async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    answer(mesh, ['224.0.0.5/24'], ['10.60.7.1/24']);
    const why = `endpoint "${service}" gave an answer that cannot be used: client_parameters.addresses "224.0.0.5/24" is a multicast address (NSM0204)`;
    const { admissionError } = await connect(mesh, service);
    expect(admissionError).toContain(why);
    expect(mesh.reasons).toEqual([why]);
    expect(await mesh.remains()).toEqual([]);
  });

  it('with peers that nobody is, is told the field', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    mesh.answering.with = () => ({
      clientParameters: create(ConnectionParametersSchema, {
        addresses: ['10.60.7.5/24'],
        peerAddresses: ['10.60.7.9'],
      }),
      endpointParameters: parameters(['10.60.7.1/24']),
    });
    const named = {
      near: /nobody in its pod answers for client_parameters.peer_addresses "10.60.7.9": .*\(NSM0204\)$/,
      far: /have what its answer gives, client_parameters.peer_addresses .* "10.60.7.9"\? \(NSM0602\)$/,
    };
    // Each waits for its answer for seconds.
    const [near, far] = await Promise.all([connect(mesh, 'near', 'one'), connect(mesh, 'far', 'two')]);
    expect(near.admissionError).toMatch(named.near);
    expect(far.admissionError).toMatch(named.far);
    for (const words of Object.values(named))
      expect(mesh.reasons).toContainEqual(expect.stringMatching(words));
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['near', 'far'])('in both versions of IP has no MTU below that of IPv6: %s', async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    answer(mesh, ['10.60.7.5/31', 'fd60:7::5/127'], []);
    const { admissionError } = await mesh.client(0).requestConnection({
      requestId: 'client',
      networkServiceName: service,
      linuxNamespace: mesh.pod('client').name,
      interface: [{ ...kernel, parameters: { interfaceParameters: { mtu: '1279' } } }],
    });
    expect(admissionError).toMatch(
      /interface parameter mtu 1279 is below the 1280 bytes that IPv6 needs.*ask for 1280 or more \(NSM0101\)$/,
    );
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['near', 'far'])("addresses of the client's network is refused: %s", async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    const { route, name } = mesh.pod('client');
    route.addLink({ kind: 'bridge', name: 'eth0', up: true });
    route.addAddress(route.link('eth0')!.index, { address: '10.244.0.11/16' });
    const { seen, stop } = changesIn(mesh.pod('client'));
    answer(mesh, ['10.244.3.5/24'], ['10.244.3.1/24']);
    expect((await connect(mesh, service)).admissionError).toMatch(
      /gives the client 10.244.3.5\/24, and the client's pod has 10.244.0.0\/16 on eth0 already.*\(NSM0401\)$/,
    );
    expect(mesh.reasons.join()).toContain('on eth0 already');
    expect(seen).toEqual([]);
    stop();
    // What the manager chooses avoids it.
    mesh.answering.with = () => ({});
    expect(await connect(mesh, service)).toMatchObject({ accepted: true });
    await close(mesh, service);
    await run(name, 'ip', ['link', 'delete', 'eth0']);
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['near', 'far'])("addresses of its own pod's network is refused: %s", async (service) => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    const { route } = mesh.pod(service);
    route.addLink({ kind: 'bridge', name: 'eth7', up: true });
    route.addAddress(route.link('eth7')!.index, { address: '10.60.7.9/24' });
    answer(mesh, ['10.60.7.5/24'], ['10.60.7.1/24']);
    expect((await connect(mesh, service)).admissionError).toMatch(
      /gives the endpoint 10.60.7.1\/24, and the endpoint's pod has 10.60.7.0\/24 on eth7 already/,
    );
    route.deleteLink('eth7');
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['near', 'far'])(
    'is refused when a rule of the pod sends packets another way: %s',
    async (service) => {
      const { mesh } = shared;
      await mesh.serve(0, 'near', 'near');
      await mesh.serve(1, 'far', 'far');
      const replies = new Map<string, EndpointReply>();
      mesh.answering.with = (requestId) => replies.get(requestId) ?? {};
      // To it, from its own address, from its own network, and by a mark that its packet filter sets.
      const rules = [
        ['client', '10.60.7.5/24', '10.60.7.1/24', 'to 10.60.7.0/24'],
        ['one', '10.60.8.5/24', '10.60.8.1/24', 'from 10.60.8.5'],
        ['two', 'fd60:7::5/64', 'fd60:7::1/64', 'from fd60:7::/64'],
        ['three', '10.60.9.5/24', '10.60.9.1/24', 'fwmark 7'],
      ] as const;
      // Each of them waits for packets for a while.
      await Promise.all(
        rules.map(async ([pod, own, peer, rule]) => {
          const { route, name } = mesh.pod(pod);
          route.addLink({ kind: 'bridge', name: 'eth0', up: true });
          route.addAddress(route.link('eth0')!.index, { address: '10.244.0.11/16' });
          const ip = async (...words: string[]) =>
            await run(name, 'ip', [own.includes(':') ? '-6' : '-4', ...words]);
          await ip('route', 'add', 'default', 'dev', 'eth0', 'table', '77');
          await ip('rule', 'add', ...rule.split(' '), 'lookup', '77');
          if (rule.startsWith('fwmark'))
            await filter(mesh.pod(pod), 'type route hook output', 'meta mark set 7');
          replies.set(pod, {
            clientParameters: parameters([own]),
            endpointParameters: parameters([peer]),
          });
          expect((await connect(mesh, service, pod)).admissionError, rule).toContain(
            `packets from the client's pod to ${peer.split('/')[0]} would leave by eth0 and not by nsm0`,
          );
          await run(name, 'ip', ['link', 'delete', 'eth0']);
        }),
      );
      expect(await mesh.remains()).toEqual([]);
    },
  );

  it('is reached by a pod whose firewall lets no ping out, and by one whose endpoint lets none in', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'near', 'near');
    await mesh.serve(1, 'far', 'far');
    for (const hook of ['input', 'output']) {
      const pods = hook === 'output' ? ['client'] : ['near', 'far'];
      for (const pod of pods)
        await filter(mesh.pod(pod), `type filter hook ${hook}`, 'meta l4proto icmp drop');
      answer(mesh, ['10.60.7.5/24'], ['10.60.7.1/24']);
      for (const service of ['near', 'far']) {
        expect(await connect(mesh, service)).toMatchObject({ accepted: true });
        await close(mesh, service);
      }
      for (const pod of pods) await run(mesh.pod(pod).name, 'nft', ['flush', 'ruleset']);
    }
  });
});

async function tryReply(
  mesh: TestMesh,
  service: string,
  reply: RandomReply,
): Promise<'accepted' | 'refused'> {
  mesh.answering.with = () => ({ clientParameters: reply.client, endpointParameters: reply.endpoint });
  const shown = JSON.stringify([reply.client, reply.endpoint]);
  const { accepted, admissionError, connectionParameters } = await connect(mesh, service);
  if (!accepted) {
    expect(admissionError, shown).toMatch(/\(NSM0204\)$/);
    expect(await mesh.remains(), shown).toEqual([]);
    return 'refused';
  }
  const { name } = mesh.pod('client');
  const watched = [mesh.pod('client'), mesh.pod(service)].map(changesIn);
  for (const peer of connectionParameters!.peerAddresses)
    expect(await ping(name, peer), `${peer} of ${shown}`).toMatchObject({ received: 1 });
  // Asked for again, it is compared with the kernel.
  expect(await connect(mesh, service), shown).toMatchObject({ connectionParameters });
  const { connections } = await mesh.operator(0).listConnections({});
  expect(connections, shown).toMatchObject([{ state: 'UP', detail: '' }]);
  expect(
    watched.flatMap(({ seen }) => seen),
    shown,
  ).toEqual([]);
  for (const { stop } of watched) stop();
  await close(mesh, service);
  await waitFor(async () => (await mesh.remains()).length === 0, { what: shown });
  return 'accepted';
}
