// What a manager says of itself to a kubelet, over plain HTTP, and to everybody else by gRPC's health protocol: the same.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { Mesh } from '../mesh/mesh.js';
import { nsm } from '../mesh/nsm-command.js';

const listen = '127.0.0.1:9464';
const ask = `
const answers = await Promise.all(['startz', 'readyz', 'healthz'].map((page) =>
  fetch('http://${listen}/' + page).then(async (reply) => reply.status + ' ' + (await reply.text()).trim())));
console.log(JSON.stringify(answers));`;

/** Of the disk that node-a has for its state. */
const stateBytes = 2 ** 20;

describe.skipIf(!requireRoot('health'))('the health of a manager', () => {
  let mesh: Mesh;
  let agent: Agent;

  beforeAll(async () => {
    mesh = new Mesh({ switched: { nodes: 2, forwarders: [0] }, flags: ['--metrics-listen', listen] });
    await mesh.joinNodes();
    agent = await mesh.agent(mesh.a);
    mkdirSync(mesh.a.stateDir, { recursive: true });
    const options = `size=${stateBytes},mode=700`;
    await run(undefined, 'mount', ['-t', 'tmpfs', '-o', options, 'nsm-test', mesh.a.stateDir]);
  });

  afterAll(async () => {
    if (mesh.a.hasManager) await mesh.a.end('SIGKILL');
    await run(undefined, 'umount', [mesh.a.stateDir]);
    await mesh?.stop();
  });

  const pages = async (): Promise<string[]> =>
    JSON.parse(await run(mesh.a.namespace.name, process.execPath, ['--input-type=module', '-e', ask]));
  /** ServingStatus of grpc.health.v1. */
  const serving = async (socket: string): Promise<number | undefined> => {
    const called = await agent.call(
      `unix:${mesh.a.runDir}/${socket}`,
      '/grpc.health.v1.Health/Check',
      new Uint8Array(),
    );
    return called.kind === 'reply' ? called.bytes[1] : undefined;
  };
  const expectAll = async (said: readonly [string, string], status: number): Promise<void> => {
    await waitFor(async () => (await pages())[1]?.startsWith(said[1].slice(0, 3)), { what: said[1] });
    const [startz, readyz, healthz] = await pages();
    expect([startz?.slice(0, said[0].length), readyz?.slice(0, said[1].length), healthz]).toEqual([
      ...said,
      '200 alive',
    ]);
    for (const socket of ['client.sock', 'endpoint.sock', 'admin.sock'])
      expect(await serving(socket)).toBe(status);
  };

  it('waits for the registry, once, and for the forwarder whenever it is away', async () => {
    await mesh.a.start();
    await expectAll(['503 registry: not yet', '503 registry: not yet'], 2);
    await mesh.registry?.start();
    await expectAll(['200 started', '200 ready'], 1);
    await mesh.a.endForwarder('SIGKILL');
    await expectAll(['200 started', '503 forwarder: the forwarder of this node does not answer on '], 2);
    await mesh.a.startForwarder();
    await expectAll(['200 started', '200 ready'], 1);
    await mesh.registry?.stop();
    expect((await pages())[1]).toBe('200 ready');
  });

  it('tells of a state folder that cannot be written as long as that is so, and so does a status', async () => {
    const status = async (): Promise<readonly string[]> => {
      const { status, stdout } = await nsm('status', '--json', '--run-dir', mesh.a.runDir);
      const { findings } = JSON.parse(stdout) as { readonly findings: { code: string; level: string }[] };
      return [String(status), ...findings.filter(({ code }) => code === 'NSM0947').map(({ level }) => level)];
    };
    const ballast = join(mesh.a.stateDir, 'ballast');
    expect(() => writeFileSync(ballast, Buffer.alloc(stateBytes))).toThrow('ENOSPC');
    expect((await pages())[1]).toMatch(/^503 state: nothing can be written to .*ENOSPC/);
    expect(await status()).toEqual(['1', 'broken']);
    rmSync(ballast);
    expect((await pages())[1]).toBe('200 ready');
    expect(await status()).not.toContain('broken');
  });
});
