// A host that opens connections without end, to a manager and to the registry: it gets a part, is told so, and others are served.
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type MeshNode, managerPort } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import { methods } from '../mesh/specification.js';

/** Files that the process under test may have open, and connections of it that one host may have: a quarter. */
const limit = 400;
const share = 100;
const attempts = 1000;
/** An HTTP/2 client that then says nothing (RFC 9113, section 3.4). */
const greeting = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00';

describe.skipIf(!requireRoot('crowds'))('a host that opens connections without end', () => {
  let mesh: Mesh;
  let [client, here]: Pod[] = [];
  let connections = 0;

  beforeAll(async () => {
    mesh = await Mesh.start({
      switched: { nodes: 3 },
      // With certificates, a crowd is one of strangers: see security/strangers.net.test.ts.
      before: ['env', 'NSM_INSECURE=1', 'prlimit', `--nofile=${limit}:${limit}`],
    });
    [client, here] = ['client', 'here'].map((label) => mesh.pod(label));
    await mesh.endpoint(mesh.a, { pod: here!, name: 'here', services: ['echo'] });
    await mesh.b.knows('echo/here');
  });
  afterAll(async () => await mesh?.stop());

  /** A connection of a pod on the second node to the first is made and carries packets, as often as it is asked for. */
  const expectService = async (): Promise<void> => {
    const args = ['echo', '--request-id', `c-${++connections}`, '--netns', client!.name];
    const there = ['--run-dir', mesh.b.runDir];
    const connected = await nsmJson<Connected>('connect', ...args, ...there);
    await expectTraffic(client!, here!, connected);
    expect(await nsm('disconnect', ...args, ...there)).toMatchObject({ status: 0 });
  };
  /** What is crowded. */
  const servers = {
    'a manager': () => ({
      namespace: mesh.a.namespace.name,
      host: mesh.a.address,
      port: managerPort,
      log: () => mesh.a.log,
      method: methods.requestProxyConnection,
    }),
    'the registry': () => ({
      namespace: mesh.registry!.namespace.name,
      host: mesh.registry!.address,
      port: 5000,
      log: () => mesh.registry!.log,
      method: '/nsmregistry.Registry/Claim',
    }),
  } as const;
  type Server = keyof typeof servers;
  const crowded = Object.keys(servers) as Server[];
  const crowding = (): MeshNode => mesh.nodes[2]!;
  /** Connections of the crowd that a server has open. */
  const open = async (what: Server): Promise<number> => {
    const { namespace, port } = servers[what]();
    const wanted = ['state', 'established', 'dst', crowding().address, 'sport', '=', `:${port}`];
    return (await run(namespace, 'ss', ['-Htn', ...wanted])).split('\n').length - 1;
  };
  const agents: Agent[] = [];

  it.each(crowded)('gets a quarter of what %s has', async (what) => {
    const { host, port, method, log } = servers[what]();
    const told = (): string[] =>
      log()
        .split('\n')
        .filter((line) => line.includes('connections are refused'));
    const alreadyOpen = await open(what);

    const agent = await mesh.agent(crowding());
    agents.push(agent);
    // Half of them say nothing, the others speak HTTP/2 and nothing more.
    const attempt = (_: unknown, n: number) =>
      agent.speak({ host, port }, n % 2 ? greeting : '', { patienceMs: 5_000, keep: true });
    await Promise.all(Array.from({ length: attempts }, attempt));
    await waitFor(() => told().length > 0, { what: 'word in the log' });
    // One more is open for a moment to be told so.
    await waitFor(async () => (await open(what)) <= share + 1, { what: 'a quarter being open' });
    expect((await open(what)) - alreadyOpen).toBeGreaterThan(share / 2);
    await expectService();
    // The crowd's own host is told, as soon as nobody else of it is being told.
    const refusal = async (): Promise<string> => {
      const called = await agent.call(`${host}:${port}`, method, Buffer.alloc(0), 1_000);
      return called.kind === 'failed' ? called.details : '';
    };
    const word = new RegExp(
      `\\d+ connections of host 10\\.9\\.0\\.3 are open, and no more are served: .* ${limit} \\(RLIMIT_NOFILE\\)`,
    );
    await waitFor(async () => new RegExp(`${word.source} \\(NSM0006\\)$`).test(await refusal()), {
      what: 'the refusal',
      timeout: 5_000,
    });
    expect(told()).toEqual([expect.stringMatching(word)]);
    expect(told().at(-1)).toContain('NSM0006');
  });

  it('has a place again when its silent connections have ended', { timeout: 60_000 }, async () => {
    // Keepalive: each is asked after 10 s whether it is there, and has 5 s to say so.
    for (const what of crowded)
      await waitFor(async () => (await open(what)) < 10, {
        timeout: 20_000,
        what: `the end of silent connections to ${what}`,
      });
    for (const agent of agents) await agent.stop();
    const again = await mesh.agent(crowding());
    for (const what of crowded) {
      const { host, port } = servers[what]();
      const called = await again.call(`${host}:${port}`, '/grpc.health.v1.Health/Check', Buffer.alloc(0));
      // status = 1: SERVING.
      expect(called, what).toEqual({ kind: 'reply', bytes: Buffer.from([0x08, 0x01]) });
    }
    await again.stop();
  });

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
