// What a manager says of itself to a kubelet, over plain HTTP, and to everybody else by gRPC's health protocol: the same.
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from './agent.js';
import { Mesh } from './mesh.js';

const listen = '127.0.0.1:9464';
const ask = `
const answers = await Promise.all(['startz', 'readyz', 'healthz'].map((page) =>
  fetch('http://${listen}/' + page).then(async (reply) => reply.status + ' ' + (await reply.text()).trim())));
console.log(JSON.stringify(answers));`;

describe.skipIf(!requireRoot('health'))('the health of a manager', () => {
  let mesh: Mesh;
  let agent: Agent;

  beforeAll(async () => {
    mesh = new Mesh({ switched: { nodes: 2, forwarders: [0] }, flags: ['--metrics-listen', listen] });
    await mesh.joinNodes();
    agent = await mesh.agent(mesh.a);
  });

  afterAll(async () => {
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
    await expectAll(['200 started', '503 forwarder: '], 2);
    await mesh.a.startForwarder();
    await expectAll(['200 started', '200 ready'], 1);
    await mesh.registry?.stop();
    expect((await pages())[1]).toBe('200 ready');
  });
});
