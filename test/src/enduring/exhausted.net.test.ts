// A machine that is used up: the limit is named, nothing is left behind, those that are connected go on, and so does everything when
// there is room again.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namePrefix, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson, nsmProgram } from '../mesh/nsm-command.js';

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

  it('serves others whatever one pod opens; names the limit to all when many pods use it up, and serves them when there is room', async () => {
    mesh = new Mesh({ before: limited(limit) });
    await mesh.joinNodes();
    await mesh.startManagers();
    const [client, here, far, greedy] = ['client', 'here', 'far', 'greedy'].map((label) =>
      mesh.pod(label),
    ) as [Pod, Pod, Pod, Pod];
    await mesh.endpoint(mesh.a, { pod: here, name: 'here', services: ['echo'] });
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['far'] });
    await mesh.a.knows('echo/here', 'far/far');
    const first = await nsmJson<Connected>(...asking(mesh, client, 'first'));
    const hogs = [await hog(greedy)];
    // What one pod may have open is its own to use up, and it hears so.
    const its = new RegExp(
      `${limit / 4} connections of network namespace ${greedy.inode} are open, .*: ${limit} \\(RLIMIT_NOFILE\\)`,
    );
    // For a second, the first connection beyond the limit is the only one of the pod that could be told.
    await waitFor(async () => its.test((await nsm(...asking(mesh, greedy, 'own'))).stderr), {
      what: 'the limit named to the pod that used it up',
    });
    const second = await nsmJson<Connected>(...asking(mesh, client, 'second', 'far'));
    await expectTraffic(client, far, second);

    // The manager ends connections that say nothing sensible, so more come until it has none left.
    const refusal = async (service: string): Promise<string> => {
      for (let tries = 0; tries < 12; tries++) {
        hogs.push(await hog(mesh.pod(`crowd-${hogs.length}`)));
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
    mesh = await Mesh.startFirst();
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
      // Another one would bring the copy back, and this one lives on it.
      const again = ['--name', 'node-a', '--run-dir', mesh.a.runDir, '--state-dir', join(disk, 'state')];
      expect(await nsm('manager', ...again, '--listen', '127.0.0.1:0')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(
          `is in use by manager node-a, pid ${mesh.a.manager.pid}; give each its own`,
        ),
      });
      await mesh.a.restart('SIGTERM');
      expect(mesh.a.log).toContain('the state folder can be written again');
      expect((await mesh.a.connections()).map(({ requestId }) => requestId)).toEqual(['first']);
      await mesh.a.end('SIGTERM');
    } finally {
      // Whoever has files open in it keeps it until then.
      await run(undefined, 'umount', ['--lazy', disk]).finally(() => mesh.stop());
    }
  });
});

/** The folder of a control group that limits processes, in either version (cgroups(7)); undefined where none can be made. */
const pidsGroup = (): string | undefined => {
  for (const parent of ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']) {
    const folder = join(parent, `${namePrefix}pids`);
    try {
      mkdirSync(folder);
      if (existsSync(join(folder, 'pids.max'))) return folder;
      rmdirSync(folder);
    } catch {
      // Read-only, or not there.
    }
  }
  return undefined;
};

describe.skipIf(!requireRoot('exhausted'))('a control group without threads', () => {
  const group = pidsGroup();
  afterAll(() => {
    if (group) rmdirSync(group);
  });
  const set = (file: string, value: string): void => writeFileSync(join(group!, file), value);

  it.skipIf(!group)('is named at the start', async () => {
    await using mesh = new Mesh();
    await mesh.joinNodes();
    const flags = ['--run-dir', mesh.a.runDir, '--state-dir', mesh.a.stateDir, '--name', 'node-a'];
    const said = [];
    // Below the first of these numbers Node.js itself cannot start, and says what it says.
    for (let most = 9; most < 24 && !said.at(-1)?.includes('"ready"'); most++) {
      set('pids.max', String(most));
      const netns = `--net=/run/netns/${mesh.a.namespace.name}`;
      const inside = [netns, process.execPath, nsmProgram, 'manager', ...flags];
      const command = `echo $$ > ${group}/cgroup.procs && exec nsenter "$@"`;
      const address = ['--listen', mesh.a.tcp, '--advertise', mesh.a.tcp, '--registry', 'embedded:'];
      const running = await spawnIn(undefined, 'sh', ['-c', command, 'sh', ...inside, ...address]);
      await Promise.race([
        running.exited,
        waitFor(() => running.output().includes('"ready"'), { timeout: 20_000 }),
      ]);
      said.push(running.output());
      await running.stop();
    }
    expect(said.at(-1)).toContain('"ready"');
    expect(
      said.filter((output) =>
        /no more threads .* pids\.max of the control group is \d+ .*\(NSM0605\)/.test(output),
      ),
    ).not.toEqual([]);
    // What a process for want of threads did not read is no damaged file.
    expect(said.join('')).not.toContain('is damaged');
    expect(mesh.a.log).toBe('');
  });

  it.skipIf(!group)('is done with those that there are', async () => {
    await using mesh = await Mesh.startFirst();
    const here = mesh.pod('here');
    await mesh.endpoint(mesh.a, { pod: here, name: 'here', services: ['echo'] });
    set('pids.max', 'max');
    set('cgroup.procs', String(mesh.a.manager.pid));
    set('pids.max', readFileSync(join(group!, 'pids.current'), 'utf8').trim());
    const clients = Array.from({ length: 6 }, (_, n) => mesh.pod(`client-${n}`));
    const connected = await Promise.all(
      clients.map((pod) => nsmJson<Connected>(...asking(mesh, pod, pod.name))),
    );
    for (const [n, client] of clients.entries()) await expectTraffic(client, here, connected[n]!);
    await Promise.all(
      clients.map(({ name }) =>
        nsm('disconnect', 'echo', '--request-id', name, '--netns', name, '--run-dir', mesh.a.runDir),
      ),
    );
    expect(await mesh.remains()).toEqual([]);
    expect(mesh.a.errors()).toEqual([]);
    set('pids.max', 'max');
  });
});
