// A host that opens connections without end, to a manager and to the registry: it gets a part, is told so, and others are served.
import { readdirSync } from 'node:fs';
import { requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from './agent.js';
import { expectTraffic } from './expect-traffic.js';
import { Mesh, type Pod } from './mesh.js';
import { managerPort } from './mesh-node.js';
import { type Connected, nsm, nsmJson } from './nsm-command.js';
import { methods } from './specification.js';

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
      before: ['prlimit', `--nofile=${limit}:${limit}`],
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
  const crowd = async (port: { host: string; port: number }, words: string): Promise<Agent> => {
    const agent = await mesh.agent(mesh.nodes[2]!);
    await Promise.all(
      Array.from({ length: attempts }, () => agent.speak(port, words, { patienceMs: 5_000, keep: true })),
    );
    return agent;
  };

  it.each([
    ['a manager', 'that say nothing', ''],
    ['a manager', 'that speak HTTP/2 and nothing more', greeting],
    ['the registry', 'that say nothing', ''],
    ['the registry', 'that speak HTTP/2 and nothing more', greeting],
  ])(
    'gets a quarter of what %s has, for connections %s',
    async (what, _kind, words) => {
      const isManager = what === 'a manager';
      const [server, host, port, method] = isManager
        ? [mesh.a.manager.pid, mesh.a.address, managerPort, methods.requestProxyConnection]
        : [mesh.registry!.pid, mesh.registry!.address, 5000, '/nsmregistry.Registry/Claim'];
      const log = (): string => (isManager ? mesh.a.log : mesh.registry!.log);
      const open = (): number => readdirSync(`/proc/${server}/fd`).length;
      const told = (): string[] =>
        log()
          .split('\n')
          .filter((line) => line.includes('connections are refused'));
      const before = open();
      const alreadyTold = told().length;

      const agent = await crowd({ host, port }, words);
      await waitFor(() => told().length > alreadyTold, { what: 'word in the log' });
      // One more is open for a moment to be told so.
      expect(open() - before).toBeLessThanOrEqual(share + 1);
      expect(open() - before).toBeGreaterThan(share / 2);
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
      expect(told().slice(alreadyTold)).toEqual([expect.stringMatching(word)]);
      expect(told().at(-1)).toContain('NSM0006');

      // Keepalive: it is asked after 10 s whether it is there, and has 5 s to say so.
      await waitFor(() => open() - before < 10, { timeout: 20_000, what: 'the end of silent connections' });
      await agent.stop();
      const again = await mesh.agent(mesh.nodes[2]!);
      const called = await again.call(`${host}:${port}`, '/grpc.health.v1.Health/Check', Buffer.alloc(0));
      // status = 1: SERVING.
      expect(called).toEqual({ kind: 'reply', bytes: Buffer.from([0x08, 0x01]) });
      await again.stop();
    },
    60_000,
  );

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
