// The testkit itself: nothing is left behind, however a test ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createNamespace, deleteNamespace, openNamespace } from '@nsm/netlink';
import { afterAll, describe, expect, it } from 'vitest';
import { ipJson, ping, run, spawnIn } from './commands.js';
import { leaks } from './leaks.js';
import { requireRoot } from './privileges.js';
import { makeNamespace, namePrefix, withNamespaces } from './test-namespaces.js';
import { waitFor, waitForItem } from './wait-for.js';

afterAll(() => expect(leaks()).toEqual([]));

const names = async (): Promise<string[]> =>
  (await run(undefined, 'ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0]!);

describe.skipIf(!requireRoot('testkit'))('testkit', () => {
  it('makes namespaces and removes them, also when the test fails', async () => {
    let seen: string[] = [];
    const failing = withNamespaces(['a', 'b'], async (a, b) => {
      seen = [a.name, b.name];
      expect(await names()).toEqual(expect.arrayContaining(seen));
      expect(a.name).toMatch(new RegExp(`^nsmt-${process.pid}-\\d+-a$`));
      expect(await ipJson(a.name, ['link'])).toMatchObject([{ ifname: 'lo', operstate: 'UNKNOWN' }]);
      expect(await ping(a.name, '::1')).toMatchObject({ sent: 1, received: 1 });
      expect(await ping(a.name, '192.0.2.1')).toMatchObject({ received: 0 });
      throw new Error('failed test');
    });
    await expect(failing).rejects.toThrow('failed test');
    for (const name of await names()) expect(seen).not.toContain(name);
  });

  const ending = async (end: string, signal?: NodeJS.Signals): Promise<void> => {
    const index = new URL('./index.js', import.meta.url).href;
    const code = `import { makeNamespace } from ${JSON.stringify(index)};
      console.log(makeNamespace('child').name); ${end}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [output] = await once(child.stdout.setEncoding('utf8'), 'data');
    const name = String(output).trim();
    expect(name).toMatch(/^nsmt-\d+-1-child$/);
    if (signal !== undefined) child.kill(signal);
    await once(child, 'close');
    if (signal === 'SIGKILL') {
      expect(await names()).toContain(name);
      // The next run cleans up after it.
      await ending('');
    }
    expect(await names()).not.toContain(name);
  };

  it('removes them when the process ends, throws, or gets a signal', async () => {
    await ending('');
    await ending('process.exit(3)');
    await ending('throw new Error("x")');
    await ending('setInterval(() => {}, 1000)', 'SIGTERM');
    await ending('setInterval(() => {}, 1000)', 'SIGINT');
    await ending('setInterval(() => {}, 1000)', 'SIGKILL');
  });

  it('finds what was left behind', async () => {
    expect(leaks()).toEqual([]);
    const name = `${namePrefix}leaked`;
    createNamespace(name);
    const child = await spawnIn(name, 'sleep', ['60']);
    openNamespace(name).close();
    expect(leaks()).toEqual([
      expect.stringContaining(`namespace ${name}`),
      expect.stringContaining(`mount nsfs /run/netns/${name}`),
      expect.stringMatching(/^process \d+: /),
    ]);
    await child.stop();
    await child.stop();
    deleteNamespace(name);
    expect(leaks()).toEqual([]);
  });

  it('pings again when only the last answer is missing, and counts any other loss', async () => {
    using namespace = makeNamespace('ping');
    const { name } = namespace;
    await run(name, 'ip', ['link', 'set', 'lo', 'up']);
    const loseOnce = async (sequence: number): Promise<void> => {
      const chain = '{ type filter hook input priority 0; }';
      const rule = `icmp type echo-request icmp sequence ${sequence} quota until 90 bytes drop`;
      await run(name, 'nft', [
        `flush ruleset; add table ip t; add chain ip t c ${chain}; add rule ip t c ${rule}`,
      ]);
    };
    await loseOnce(3);
    expect(await ping(name, '127.0.0.1', { count: 3 })).toMatchObject({ sent: 3, received: 3 });
    await loseOnce(2);
    expect(await ping(name, '127.0.0.1', { count: 3 })).toMatchObject({ sent: 3, received: 2 });
  });

  it('runs processes inside namespaces and ends them', async () => {
    using namespace = makeNamespace('run');
    await using talker = await spawnIn(namespace.name, 'sh', ['-c', 'echo hello; exec sleep 60']);
    await waitFor(() => talker.output() === 'hello\n', { what: 'greeting' });
    await talker.stop();
    expect(await talker.exited).toBe('SIGTERM');
    await using stubborn = await spawnIn(namespace.name, 'sh', [
      '-c',
      'trap "" TERM; echo ready; while :; do sleep 0.1; done',
    ]);
    await waitFor(() => stubborn.output() === 'ready\n');
    await stubborn.stop();
    expect(await stubborn.exited).toBe('SIGKILL');
    await expect(spawnIn(undefined, '/no/such/program')).rejects.toThrow('ENOENT');
    await expect(run(namespace.name, 'ip', ['nonsense'])).rejects.toThrow('nonsense');
  });
});

describe('waiting', () => {
  it('ends with the condition, or says what did not happen', async () => {
    let looks = 0;
    expect(await waitFor(() => (++looks > 2 ? 'found' : undefined))).toBe('found');
    const never = waitFor(
      () => {
        throw new Error('not yet');
      },
      { timeout: 30, what: 'a miracle' },
    );
    await expect(never).rejects.toMatchObject({
      message: 'a miracle: not within 30 ms',
      cause: { message: 'not yet' },
    });
    async function* count(): AsyncGenerator<number> {
      yield* [1, 2, 3];
    }
    expect(await waitForItem(count(), (n) => n > 1)).toBe(2);
    await expect(waitForItem(count(), (n) => n > 5, { what: 'six' })).rejects.toThrow('six: ended');
  });
});
