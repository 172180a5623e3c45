// Managers that lack something that they need: what they say names it, and nothing that they have.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leaks, makeNamespace, type Running, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Agent } from '../mesh/agent.js';
import { spawnNsm } from '../mesh/nsm-command.js';

const needed = ['net_admin', 'net_broadcast', 'sys_admin', 'sys_ptrace'] as const;

/** With these capabilities of those that a manager needs, and no others. */
const holding = (...names: readonly string[]): string[] => [
  ...['setpriv', '--inh-caps=-all'],
  `--bounding-set=${['-all', ...names.map((name) => `+${name}`)].join()}`,
];
const without = (lacking: string): string[] => holding(...needed.filter((name) => name !== lacking));

describe.skipIf(!requireRoot('privileges'))('a manager that lacks something', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nsmt-'));
  let node: TestNamespace;
  let pod: TestNamespace;
  let agent: Agent;

  beforeAll(async () => {
    [node, pod] = [makeNamespace('node'), makeNamespace('pod')];
    agent = await Agent.start(pod.name);
  });

  afterAll(async () => {
    await agent?.stop();
    for (const namespace of [node, pod]) namespace?.remove();
    rmSync(dir, { recursive: true, force: true });
    expect(leaks()).toEqual([]);
  });

  const manager = (before: readonly string[]): Promise<Running> =>
    spawnNsm(
      node.name,
      '"msg":"ready"',
      [
        ...['manager', '--insecure', '--name', 'node-a', '--listen', '127.0.0.1:5001'],
        ...['--run-dir', join(dir, 'run'), '--state-dir', join(dir, 'state')],
      ],
      { before },
    );
  /** What a client hears that has no name under /run/netns where the manager is. */
  const refusal = async (): Promise<string> => {
    const netns = `/proc/${agent.pid}/ns/net`;
    return (await agent.connect(join(dir, 'run'), { requestId: 'one', service: 'none', netns })).error;
  };

  it.each(['net_admin', 'net_broadcast', 'sys_admin'])(
    'does not start without CAP_%s, and says so',
    async (name) => {
      const failure = await manager(without(name)).then(
        async (running) => {
          await running.stop();
          return 'it started';
        },
        (error: unknown) => String(error),
      );
      const [, said = failure] = /it printed: (.*)/s.exec(failure) ?? [];
      expect(said).toContain(`CAP_${name.toUpperCase()}`);
      for (const other of needed.filter((one) => one !== name))
        expect(said).not.toContain(`CAP_${other.toUpperCase()}`);
    },
  );

  it('without CAP_SYS_PTRACE names it to whoever asks', async () => {
    await using running = await manager([...hidingNames, ...without('sys_ptrace')]);
    expect(await refusal()).toMatch(/CAP_SYS_PTRACE/);
    expect(running.output()).toMatch(/CAP_SYS_PTRACE/);
  });

  it('in a pid namespace of its own says so, and not that there is no process', async () => {
    await using running = await manager([
      ...['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
      ...hidingNames,
    ]);
    const error = await refusal();
    expect(error).toMatch(/hostPID/);
    expect(error).not.toMatch(/no process has/);
    expect(running.output()).toMatch(/hostPID/);
  });
});

/** Pods' namespaces have names under /run/netns on a node only where its runtime gives them. */
const hidingNames = [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  'mount -t tmpfs tmpfs /run/netns && exec "$@"',
  'sh',
];
