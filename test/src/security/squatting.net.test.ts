// Without a policy: an ordinary user in a pod offers a service that root provides on another node. Its endpoint is on the client's own
// node, and would be the first choice.
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsm, nsmJson } from '../mesh/nsm-command.js';

const user = 61_001;
const service = 'secure';

describe.skipIf(!requireRoot('squatting'))("an impostor beside root's endpoint", () => {
  let mesh: Mesh;
  let pod: Pod;
  let client: Agent;
  let impostor: Agent;
  let stopReal: () => Promise<unknown>;

  beforeAll(async () => {
    mesh = await Mesh.start();
    pod = mesh.pod('client');
    const there = mesh.pod('impostor');
    const folder = join(mesh.dir, 'user');
    chmodSync(mesh.dir, 0o711);
    mkdirSync(folder);
    chownSync(folder, user, user);
    const [own, others, real] = await Promise.all([
      mesh.agent(pod),
      mesh.agent(there, { user }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('real'), name: 'real', services: [service] }),
    ]);
    [client, impostor] = [own, others];
    stopReal = () => real.stop();
    const socket = join(folder, 'e.sock');
    await impostor.serve(socket, { kind: 'answer', netns: there.netns });
    const { error } = await impostor.advertise(mesh.a.runDir, { service, name: 'impostor', socket });
    expect(error).toBe('');
    await mesh.a.knows(`${service}/real`, `${service}/impostor`);
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const request = { requestId: 'victim', service, netns: '' };

  it('gets no client, and nsm explain says why', async () => {
    const { accepted, error } = await client.connect(mesh.a.runDir, { ...request, netns: pod.netns });
    expect({ accepted, error }).toEqual({ accepted: true, error: '' });
    expect(impostor.askedCount).toBe(0);
    const explained = await nsmJson<object[]>('explain', service, '--run-dir', mesh.a.runDir);
    expect(explained).toEqual([
      expect.objectContaining({ name: 'real', rank: 1 }),
      expect.objectContaining({
        name: 'impostor',
        rank: 0,
        reason: `user ${user} provides it, and root provides the service too; a policy can allow it`,
      }),
    ]);
  });

  it('does not inherit the clients of an endpoint that ends', async () => {
    await stopReal();
    const state = async (): Promise<unknown> => {
      const [connection] = await mesh.a.connections();
      return connection?.state;
    };
    await waitFor(async () => /HEALING|FAILED/.test(String(await state())));
    const { status, stdout } = await nsm('get', 'connections', '--run-dir', mesh.a.runDir, '--json');
    expect([status, JSON.parse(stdout)]).toEqual([0, [expect.objectContaining({ endpoint: 'real' })]]);
    expect(impostor.askedCount).toBe(0);
  });
});
