// Who has CAP_NET_ADMIN over a network namespace: capabilities in a user namespace of one's own do not count outside of it.
import { leaks, makeNamespace, type Running, requireRoot, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { administers } from './administers.js';
import { openNamespace } from './namespaces.js';

afterAll(() => expect(leaks()).toEqual([]));

const user = ['setpriv', '--reuid=61001', '--regid=61001', '--clear-groups', '--inh-caps=-all'];
const own = ['unshare', '--user', '--map-root-user'];

describe.skipIf(!requireRoot('administers'))('administers', () => {
  /** Of the process that runs the command itself. @returns whether it administers the pod's namespace, and its own. */
  const judge = async (...before: readonly string[]): Promise<readonly [boolean, boolean]> => {
    using pod = makeNamespace('pod');
    const [command = '', ...rest] = [...before, 'sh', '-c', 'echo $$; exec sleep 100'];
    const running: Running = await spawnIn(pod.name, command, rest);
    try {
      await waitFor(() => /^\d+\n/.test(running.output()), { what: 'its process id' });
      const pid = Number(running.output().trim());
      using there = openNamespace({ pid });
      return [administers(pid, pod.namespace), administers(pid, there)];
    } finally {
      await running.stop();
    }
  };

  it.each([
    ['root', [], [true, true]],
    [
      'root without the capability',
      ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-all'],
      [false, false],
    ],
    ['an ordinary user', user, [false, false]],
    [
      'root of a user namespace of its own, in a network namespace of another',
      [...user, ...own],
      [false, false],
    ],
    ['root of both', [...user, ...own, '--net'], [false, true]],
  ] as const)('%s', async (_who, before, expected) => {
    expect(await judge(...before)).toEqual(expected);
  });
});
