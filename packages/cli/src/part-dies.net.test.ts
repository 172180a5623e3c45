// A part of a manager that dies takes the process with it, and the connections outlive both.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { leaks, makeNamespace, ping, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../bin/nsm.js', import.meta.url));

describe.skipIf(!requireRoot('a part dies'))('a manager whose forwarder dies', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-part-'));
  const [node, pod, server] = [makeNamespace('node'), makeNamespace('pod'), makeNamespace('server')];
  afterAll(() => {
    for (const one of [node, pod, server]) one.remove();
    rmSync(folder, { recursive: true, force: true });
    expect(leaks()).toEqual([]);
  });

  it('ends with the cause in its log, and the next one finds every connection as it was', async () => {
    const order = join(folder, 'throw');
    const preload = join(folder, 'preload.mjs');
    writeFileSync(
      preload,
      `import { existsSync } from 'node:fs';
       import { isMainThread } from 'node:worker_threads';
       if (!isMainThread && process.argv[1].endsWith('forwarder-worker.js'))
         setInterval(() => { if (existsSync(${JSON.stringify(order)})) throw new Error('a bug'); }, 10).unref();`,
    );
    const runDir = join(folder, 'run');
    const manager = (...nodeOptions: string[]) =>
      spawnIn(node.name, process.execPath, [
        ...nodeOptions,
        ...[
          bin,
          'manager',
          '--name',
          'node-a',
          '--listen',
          '127.0.0.1:5001',
          '--advertise',
          '127.0.0.1:5001',
        ],
        ...['--run-dir', runDir, '--state-dir', join(folder, 'state'), '--prefix', '10.60.0.0/24'],
      ]);
    await using first = await manager('--import', preload);
    await using endpoint = await spawnIn(server.name, process.execPath, [
      ...[bin, 'endpoint', 'icmp-responder', '--service', 'echo', '--name', 'echo-1', '--wait', '10s'],
      ...['--run-dir', runDir],
    ]);
    await waitFor(() => endpoint.output().includes('echo-1 provides echo'), { timeout: 15_000 });
    const args = [
      'connect',
      'echo',
      '--netns',
      pod.name,
      '--request-id',
      'pod-1',
      '--json',
      '--run-dir',
      runDir,
    ];
    const connect = async () => JSON.parse(await run(undefined, process.execPath, [bin, ...args]));
    const made = await connect();
    writeFileSync(order, '');
    expect(await first.exited).toBe(1);
    const last = JSON.parse(first.output().trim().split('\n').at(-1) ?? '');
    expect(last).toMatchObject({ level: 60, err: { message: expect.stringMatching(/forwarder.* a bug/) } });
    expect(await ping(pod.name, made.peerAddresses[0])).toMatchObject({ received: 1 });
    await using second = await manager();
    await waitFor(() => second.output().includes('"msg":"ready"'), { timeout: 15_000 });
    expect(await connect()).toMatchObject({ id: made.id, interfaceName: made.interfaceName });
    expect(second.output()).not.toContain('to be tried again');
  });
});
