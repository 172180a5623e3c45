// Without inotify a socket cannot be followed: which limit it is, in a user namespace whose own limits nobody else shares.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';

/** A module that joins two sides, prints why it could not, and how it went when there was room again. */
const program = (folder: string, limit: string): string => `
  import { writeFileSync } from 'node:fs';
  import { InterfaceType } from '@nsm/api';
  import { explain } from ${JSON.stringify(new URL('../../explain.js', import.meta.url).href)};
  import { SharedSockets } from ${JSON.stringify(new URL('./shared-sockets.js', import.meta.url).href)};
  const sockets = new SharedSockets(${JSON.stringify(folder)});
  const id = 'node:x-0123456789abcdef';
  const type = InterfaceType.MEM_INTERFACE;
  const join = () => {
    for (const side of ['client', 'endpoint']) sockets.place(id, side, type, 0);
    sockets.join(id, type);
  };
  try {
    join();
  } catch (error) {
    console.log(explain(error).toAdmissionError());
  }
  sockets.release(id);
  writeFileSync('/proc/sys/user/${limit}', '100');
  join();
  sockets.release(id);
  console.log('joined');
`;

describe.skipIf(!requireRoot('inotify'))('inotify that is used up', () => {
  it.each([
    ['max_inotify_instances', 'EMFILE', 'inotify instances'],
    ['max_inotify_watches', 'ENOSPC', 'files watched by inotify'],
  ])('is named: user.%s', async (limit, code, what) => {
    const folder = mkdtempSync(join(tmpdir(), 'nsm-inotify-'));
    try {
      const inside = `echo 0 > /proc/sys/user/${limit} && exec "$@"`;
      const node = [process.execPath, '--input-type=module', '-e', program(folder, limit)];
      const output = await new Promise<string>((resolve) => {
        const args = ['--user', '--map-root-user', 'sh', '-c', inside, 'sh', ...node];
        execFile('unshare', args, { cwd: import.meta.dirname, timeout: 30_000 }, (_, stdout, stderr) =>
          resolve(`${stdout}${stderr}`),
        );
      });
      expect(output).toMatch(
        new RegExp(
          `^${code}: .*: no more ${what}[^:]*: user\\.${limit} is 0; raise it by \`sysctl -w user\\.${limit}=…\` \\(NSM0605\\)\\njoined\\n$`,
        ),
      );
      expect(readdirSync(join(folder, 'shared'))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
