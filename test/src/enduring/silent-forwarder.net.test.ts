// A forwarder that hangs, or is gone: whoever looks is told so, in time, and sees what there is.
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { readDetails } from '../mesh/extensions.js';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';
import { nsm } from '../mesh/nsm-command.js';

describe.skipIf(!requireRoot('silent forwarder'))('a forwarder that does not answer', () => {
  let { mesh, client, agent, pods } = {} as HereAndThere;
  let reply: Uint8Array;

  beforeAll(async () => {
    ({ mesh, client, agent, pods } = await hereAndThere((place) => [place], {
      switched: { nodes: 2, forwarders: true },
    }));
    reply = await agent.connectBytes(mesh.a.runDir, {
      requestId: 'lasting',
      service: 'there',
      netns: client.netns,
    });
  });
  afterAll(async () => {
    await mesh?.stop();
  });

  it.each(['hangs', 'is gone'])('%s: lists are there, with a warning', async (how) => {
    if (how === 'hangs') mesh.a.forwarder.child.kill('SIGSTOP');
    else await mesh.a.endForwarder('SIGKILL');
    const look = (...what: string[]) => nsm(...what, '--run-dir', mesh.a.runDir);
    const lists = ['connections', 'managers', 'tunnels', 'endpoints'].map((what) => look('get', what));
    const [described, interfaces] = await Promise.all([
      look('describe', 'manager'),
      look('get', 'interfaces'),
    ]);
    for (const { status, stdout, stderr } of await Promise.all(lists)) {
      expect(stdout).toMatch(/there|node-b/);
      expect(stderr).toMatch(
        /the forwarder of this node (has not answered|does not answer).*connections go on/,
      );
      expect(status).toBe(0);
    }
    expect(described.stdout).toMatch(/forwarder +the forwarder of this node/);
    expect(interfaces).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/the forwarder of this node/),
    });
    if (how === 'hangs') mesh.a.forwarder.child.kill('SIGCONT');
    else await mesh.a.startForwarder();
    await expectTraffic(client, pods.there, readDetails(reply));
  });

  it('leaves nothing behind', async () => {
    await agent.close(mesh.a.runDir, 'lasting', 'there');
    expect(await mesh.finish(/the forwarder does not answer/)).toEqual([]);
  });
});
