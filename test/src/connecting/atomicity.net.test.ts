// A request that fails on its way, for whatever happens to the other side: refused with its reason, and nothing is left on
// either node.
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Agent, Called } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { readDetails } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { managerPort } from '../mesh/mesh-node.js';
import { devicesOf } from '../mesh/pod-network.js';
import { type ConnectionReply, connectionRequest, methods, readVerdict } from '../mesh/specification.js';

const failedPrecondition = 9;

describe.skipIf(!requireRoot('atomicity'))('a request that fails on its way', () => {
  let mesh: Mesh;
  let client: Pod;
  let there: Pod;
  let agent: Agent;
  let endpoint: Agent;
  let finished = false;

  beforeAll(async () => {
    // What is given up on its way to a process may be done there all the same.
    mesh = await Mesh.start({ switched: { nodes: 2, forwarders: true } });
    [client, there] = [mesh.pod('client'), mesh.pod('there')];
    [agent, endpoint] = await Promise.all([mesh.agent(client), serving(there)]);
    await mesh.a.knows('far/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  afterEach(async () => {
    if (finished) return;
    for (const node of mesh.nodes) await node.revive();
    await mesh.a.knows('far/there');
    const left = await mesh.sweep(15_000);
    await endpoint.behave({ kind: 'answer', netns: there.netns });
    expect(left).toEqual([]);
    // A channel that broke may take its time here; that it must not is a test of its own.
    const details = await waitFor(async () =>
      readDetails(await agent.connectBytes(mesh.a.runDir, requestOf('good'))),
    );
    await expectTraffic(client, there, details);
    await agent.close(mesh.a.runDir, 'good', 'far');
    expect(await mesh.sweep()).toEqual([]);
    while (endpoint.askedCount > 0) await endpoint.nextAsked();
  }, 30_000);

  /** An endpoint on node b that knows only the specification. */
  const serving = async (pod: Pod): Promise<Agent> => {
    const made = await mesh.agent(pod);
    const socket = `${mesh.dir}/there-${made.pid}.sock`;
    await made.serve(socket, { kind: 'answer', netns: pod.netns });
    expect((await made.advertise(mesh.b.runDir, { service: 'far', name: 'there', socket })).error).toBe('');
    return made;
  };
  const requestOf = (requestId: string): Parameters<typeof connectionRequest>[0] => ({
    requestId,
    service: 'far',
    netns: client.netns,
  });
  const ask = (requestId = 'doomed'): Promise<ConnectionReply> =>
    agent.connect(mesh.a.runDir, requestOf(requestId));
  /** As `ask`, for calls that may break. */
  const call = (by: Agent, netns: string, timeoutMs?: number, requestId = 'doomed'): Promise<Called> =>
    by.call(
      `unix:${mesh.a.runDir}/client.sock`,
      methods.requestConnection,
      connectionRequest({ ...requestOf(requestId), netns }),
      timeoutMs,
    );

  it('the endpoint refuses', async () => {
    await endpoint.behave({ kind: 'fail', code: failedPrecondition, details: 'closed on Mondays' });
    const reply = await ask();
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/"node-b": endpoint "there".*closed on Mondays/);
  });

  it('the endpoint never answers hundreds: refused in time, and who asks for another service is answered before any of them', async () => {
    const [provider, neighbour] = [mesh.pod('open'), mesh.pod('neighbour')];
    const [open, other] = await Promise.all([mesh.agent(provider), mesh.agent(neighbour)]);
    const socket = `${mesh.dir}/open.sock`;
    await open.serve(socket, { kind: 'answer', netns: provider.netns });
    expect((await open.advertise(mesh.b.runDir, { service: 'open', name: 'open', socket })).error).toBe('');
    await mesh.a.knows('open/open');
    await endpoint.behave({ kind: 'hang' });
    const begun = performance.now();
    const patient = ask().then((reply) => ({ reply, tookMs: performance.now() - begun }));
    await endpoint.nextAsked();
    const order: string[] = [];
    const hanging = Array.from({ length: 200 }, async (_, n) => {
      const called = await call(agent, client.netns, 8000, `hanging-${n}`);
      order.push('hanging');
      return called;
    });
    // What the same pod asks for from now on comes to its manager after all of these. On a busy machine it would take most of their
    // patience until so many of them have come to the endpoint as it may be asked at a time.
    await endpoint.nextAsked();
    for (const [pod, asking] of [
      [client, agent],
      [neighbour, other],
    ] as const) {
      const request = { requestId: 'another', service: 'open', netns: pod.netns };
      expect(await asking.connect(mesh.a.runDir, request)).toMatchObject({ accepted: true });
      order.push(pod.name);
      await asking.close(mesh.a.runDir, 'another', 'open');
    }
    for (const called of await Promise.all(hanging))
      expect(called.kind === 'failed' || !readVerdict(called.bytes).accepted).toBe(true);
    expect(order.slice(0, 2)).toEqual([client.name, neighbour.name]);
    const { reply, tookMs } = await patient;
    // Ten seconds, and what a busy machine adds.
    expect(tookMs).toBeLessThan(12_000);
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/endpoint "there"/);
    await waitFor(() => /hanging-199.*while: wait for its turn among \d+ requests/.test(mesh.a.log));
    await open.stop();
    await waitFor(async () => !(await mesh.a.endpoints()).includes('open/open'));
  });

  it('the endpoint dies while it is asked', async () => {
    await endpoint.behave({ kind: 'die' });
    const reply = await ask();
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/endpoint "there"/);
    await waitFor(async () => !(await mesh.a.endpoints()).includes('far/there'));
    endpoint = await serving(there);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'the other manager ends by %s while it is asked',
    async (signal) => {
      await endpoint.behave({ kind: 'hold', netns: there.netns });
      const asked = ask();
      await endpoint.nextAsked();
      await mesh.b.end(signal);
      await endpoint.release();
      const reply = await asked;
      expect(reply.accepted).toBe(false);
      expect(reply.error).toMatch(/node-b/);
      await mesh.b.start();
      await mesh.a.knows('far/there');
    },
  );

  it('a manager that was away and is back is asked at once', async () => {
    await mesh.b.end('SIGKILL');
    expect((await ask()).error).toMatch(/manager "node-b" does not answer/);
    await mesh.b.start();
    await mesh.a.knows('far/there');
    const after = await agent.connectBytes(mesh.a.runDir, requestOf('after'));
    expect(readVerdict(after).error).toBe('');
    await agent.close(mesh.a.runDir, 'after', 'far');
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    "the client's manager ends by %s while it waits",
    async (signal) => {
      await endpoint.behave({ kind: 'hold', netns: there.netns });
      const asked = call(agent, client.netns);
      await endpoint.nextAsked();
      await mesh.a.end(signal);
      await endpoint.release();
      expect(await asked).toMatchObject({ kind: 'failed' });
      await mesh.a.start();
      await mesh.a.knows('far/there');
    },
  );

  it('the client gives up, at the moment when the endpoint answers', async () => {
    await endpoint.behave({ kind: 'hold', netns: there.netns });
    for (let n = 0; n < 4; n++) {
      // Long enough to get to the endpoint, also on a busy machine.
      expect(await call(agent, client.netns, 1000)).toMatchObject({ kind: 'failed', code: 4 });
      await endpoint.nextAsked();
      await endpoint.release();
      expect(await mesh.sweep()).toEqual([]);
    }
  });

  it('the client gives up, at any moment', async () => {
    for (let patience = 1; patience <= 60; patience++) await call(agent, client.netns, patience);
    await agent.close(mesh.a.runDir, 'doomed', 'far');
  });

  it('the client is killed, and its pod deleted', async () => {
    const pod = mesh.pod('mortal');
    const mortal = await mesh.agent(pod);
    await endpoint.behave({ kind: 'hold', netns: there.netns });
    const asked = call(mortal, pod.netns);
    asked.catch(() => undefined);
    await endpoint.nextAsked();
    await mortal.stop();
    mesh.removePod(pod);
    await endpoint.release();
  });

  it('the client closes what it is still waiting for', async () => {
    await endpoint.behave({ kind: 'hold', netns: there.netns });
    const asked = ask();
    await endpoint.nextAsked();
    const closed = agent.close(mesh.a.runDir, 'doomed', 'far');
    await endpoint.release();
    await Promise.all([asked, closed]);
  });

  describe('the underlay is cut', () => {
    const nft = (...words: string[]): Promise<string> => run(mesh.b.namespace.name, 'nft', words);
    const dropping = async (what: string): Promise<void> => {
      await nft('add table inet cut');
      await nft('add chain inet cut in { type filter hook input priority 0 ; }');
      await nft(`add rule inet cut in ${what} drop`);
    };

    it('for packets of the tunnel: refused for want of packets, with the port to open', async () => {
      await mesh.switch.drop('udp dport 4789');
      const reply = await ask();
      await mesh.switch.heal();
      expect(reply.accepted).toBe(false);
      expect(reply.error).toMatch(/no packets.*10\.9\.0\.2.*10\.9\.0\.1.*UDP port 4789/);
    });

    it('between the managers: refused in time, naming the address; what the other node made meanwhile goes when it hears again', async () => {
      await endpoint.behave({ kind: 'hold', netns: there.netns });
      const asked = ask();
      await endpoint.nextAsked();
      await dropping(`tcp dport ${managerPort}`);
      // Nor is it answered, nor can it ask.
      await nft(`add rule inet cut in tcp sport ${managerPort} drop`);
      await nft('add chain inet cut out { type filter hook output priority 0 ; }');
      for (const end of ['dport', 'sport']) await nft(`add rule inet cut out tcp ${end} ${managerPort} drop`);
      const begun = performance.now();
      const late = ask('late');
      await endpoint.release();
      const replies = await Promise.all([asked, late]);
      expect(performance.now() - begun).toBeLessThan(10_500);
      await nft('delete table inet cut');
      for (const { accepted, error } of replies) {
        expect(accepted).toBe(false);
        expect(error).toMatch(/node-b/);
      }
      expect(replies[1].error).toMatch(/node-b.*10\.9\.0\.2:5001/);
    });
  });

  it('tries the next endpoint, and leaves nothing at the first', async () => {
    const near = mesh.pod('near');
    const first = await mesh.agent(near);
    const socket = `${mesh.dir}/near.sock`;
    await first.serve(socket, { kind: 'fail', code: failedPrecondition, details: 'full' });
    expect((await first.advertise(mesh.a.runDir, { service: 'far', name: 'near', socket })).error).toBe('');
    const details = readDetails(await agent.connectBytes(mesh.a.runDir, requestOf('second')));
    expect(first.askedCount).toBe(1);
    await expectTraffic(client, there, details);
    expect(await devicesOf(near.name)).toEqual([]);
    // The one that failed is tried last for a while.
    await agent.connectBytes(mesh.a.runDir, requestOf('third'));
    expect(first.askedCount).toBe(1);
    for (const id of ['second', 'third']) await agent.close(mesh.a.runDir, id, 'far');
    await first.stop();
    await waitFor(async () => !(await mesh.a.endpoints()).includes('far/near'));
  });

  it('leaves nothing behind', async () => {
    finished = true;
    expect(await mesh.finish()).toEqual([]);
  });
});
