// A machine that is used up: the limit is named, nothing is left behind, those that are connected go on, and so does everything when
// there is room again.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import type { Agent } from './agent.js';
import { expectTraffic } from './expect-traffic.js';
import { Mesh, type Pod } from './mesh.js';
import { type Connected, nsm, nsmJson } from './nsm-command.js';

const asking = (mesh: Mesh, pod: Pod, id: string, service = 'echo'): string[] => [
  ...['connect', service, '--request-id', id, '--netns', pod.name, '--run-dir', mesh.a.runDir],
];

describe.skipIf(!requireRoot('exhausted'))('a manager with few file descriptors', () => {
  let mesh: Mesh;
  afterEach(async () => await mesh.stop());
  const limit = 160;
  const limited = (most: number): string[] => ['prlimit', `--nofile=${most}:${most}`];
  const told = new RegExp(
    `process \\d+ has \\d+ files open and may have ${limit} \\(RLIMIT_NOFILE\\): raise it by \`ulimit -n\`, by LimitNOFILE=`,
  );
  /** Opens as many connections as it is let, and keeps them. */
  const hog = async (pod: Pod): Promise<Agent> => {
    const agent = await mesh.agent(pod);
    const socket = `${mesh.a.runDir}/client.sock`;
    await Promise.all(
      Array.from({ length: 60 }, () =>
        agent.speak(socket, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', { patienceMs: 100, keep: true }),
      ),
    );
    return agent;
  };

  it('says at the start how many it needs', async () => {
    mesh = new Mesh({ before: limited(64) });
    await mesh.joinNodes();
    await expect(mesh.a.start()).rejects.toThrow(
      /ended with 1; it printed: nsm: this process may have 64 files open \(RLIMIT_NOFILE\), and needs 128 or more: .*\(NSM0605\)\s*$/,
    );
  });

  it('serves others whatever one process opens, names the limit to those it cannot, and serves them when there is room', async () => {
    mesh = new Mesh({ before: limited(limit) });
    await mesh.joinNodes();
    await mesh.startManagers();
    const [client, here, far, crowd] = ['client', 'here', 'far', 'crowd'].map((label) => mesh.pod(label)) as [
      Pod,
      Pod,
      Pod,
      Pod,
    ];
    await mesh.endpoint(mesh.a, { pod: here, name: 'here', services: ['echo'] });
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['far'] });
    await mesh.a.knows('echo/here', 'far/far');
    const first = await nsmJson<Connected>(...asking(mesh, client, 'first'));
    const hogs = [await hog(crowd)];
    const second = await nsmJson<Connected>(...asking(mesh, client, 'second', 'far'));
    await expectTraffic(client, far, second);

    // The manager ends connections that say nothing sensible, so more come until it has none left.
    const refusal = async (service: string): Promise<string> => {
      for (let tries = 0; tries < 12; tries++) {
        hogs.push(await hog(crowd));
        const { status, stderr } = await nsm(...asking(mesh, client, `more-${hogs.length}`, service));
        if (status !== 0) return stderr.trim();
      }
      return '';
    };
    // It is named to everybody, and nothing is lost by it.
    for (const service of ['echo', 'far', 'echo']) {
      const refused = await refusal(service);
      expect(refused).toMatch(told);
      expect(refused).toMatch(/\(NSM0605\)$/);
    }
    await expectTraffic(client, here, first);
    await expectTraffic(client, far, second);
    for (const agent of hogs) await agent.stop();
    await waitFor(async () => (await nsm(...asking(mesh, client, 'refused'))).status === 0, {
      what: 'a connection when there is room again',
    });
    expect(await mesh.a.endpoints()).toEqual(expect.arrayContaining(['echo/here', 'far/far']));
    const ids = (await mesh.a.connections()).map(({ requestId }) => requestId);
    expect(ids).toEqual(expect.arrayContaining(['first', 'second', 'refused']));
    await mesh.a.closeAll();
    expect(await mesh.remains()).toEqual([]);
    expect(mesh.nodes.flatMap((node) => node.errors())).toEqual([]);
  });

  it('goes on when its limit is lowered while it runs, and when it is raised again', async () => {
    mesh = await Mesh.start();
    const [client, here] = [mesh.pod('client'), mesh.pod('here')];
    await mesh.endpoint(mesh.a, { pod: here, name: 'here', services: ['echo'] });
    let first = await nsmJson<Connected>(...asking(mesh, client, 'first'));
    const { pid } = mesh.a.manager;
    const setLimit = (most: number | string) =>
      run(undefined, 'prlimit', ['--pid', String(pid), `--nofile=${most}:4096`]);
    for (const spare of [0, 3]) {
      await setLimit(readdirSync(`/proc/${pid}/fd`).length + spare);
      const refusal = async (): Promise<string> => (await nsm(...asking(mesh, client, 'second'))).stderr;
      // What was known of the limit is known for a second.
      await waitFor(async () => /RLIMIT_NOFILE|NSM0004/.test(await refusal()), { what: 'a refusal' });
      await expectTraffic(client, here, first);
      await setLimit(4096);
      await waitFor(async () => (await refusal()) === '', { what: 'a connection' });
      await mesh.a.closeAll();
      first = await nsmJson<Connected>(...asking(mesh, client, 'first'));
    }
    expect(await mesh.a.endpoints()).toEqual(['echo/here']);
    await mesh.a.closeAll();
    expect(await mesh.remains()).toEqual([]);
  });
});

describe.skipIf(!requireRoot('exhausted'))('a disk without inodes', () => {
  it('is named as such, stood in for, and used again when there are some', async () => {
    const mesh = new Mesh({ flagsOf: ({ dir }) => ['--state-dir', join(dir, 'disk/state')] });
    await mesh.joinNodes();
    const disk = join(mesh.a.dir, 'disk');
    mkdirSync(join(disk), { recursive: true });
    await run(undefined, 'mount', ['-t', 'tmpfs', '-o', 'nr_inodes=64', 'none', disk]);
    try {
      const fillers = Array.from({ length: 64 }, (_, n) => join(disk, `filler-${n}`));
      const fill = (): void => {
        for (const path of fillers) writeFileSync(path, '');
      };
      expect(fill).toThrow(/ENOSPC/);
      await mesh.a.start();
      expect(mesh.a.log).toMatch(
        /"level":50.*all 64 inodes of the disk of [^ ]*disk are used up \(`df -i`\): remove files there.*a copy stands in/,
      );
      const [client, here] = [mesh.pod('client'), mesh.pod('here')];
      await mesh.endpoint(mesh.a, { pod: here, name: 'here', services: ['echo'] });
      await expectTraffic(client, here, await nsmJson<Connected>(...asking(mesh, client, 'first')));
      for (const path of fillers) rmSync(path, { force: true });
      await mesh.a.restart('SIGTERM');
      expect(mesh.a.log).toContain('the state folder can be written again');
      expect((await mesh.a.connections()).map(({ requestId }) => requestId)).toEqual(['first']);
      await mesh.a.end('SIGTERM');
    } finally {
      // Whoever has files open in it keeps it until then.
      await run(undefined, 'umount', ['--lazy', disk]);
      await mesh.stop();
    }
  });
});
