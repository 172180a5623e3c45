// What containers get to see of a manager's --run-dir.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { foldersForPods, showToPods } from './sockets-for-pods.js';

it('shows the sockets in a folder for each container, which every user may enter, and renews them', () => {
  const runDir = mkdtempSync(join(tmpdir(), 'nsm-run-'));
  const before = process.umask(0o077);
  try {
    const names = ['client.sock', 'endpoint.sock'];
    const shown: number[][] = [];
    for (let life = 1; life <= 2; life++) {
      for (const name of names) {
        rmSync(join(runDir, name), { force: true });
        writeFileSync(join(runDir, name), '');
        showToPods(runDir, join(runDir, name));
        // Once more, when a socket that was removed has been made again.
        showToPods(runDir, join(runDir, name));
      }
      const folders = foldersForPods(runDir);
      expect(new Set(folders.map((folder) => statSync(folder).ino)).size).toBe(folders.length);
      for (const folder of folders) {
        expect(statSync(folder).mode & 0o777).toBe(0o755);
        // The last is where RUN/shared is mounted, by pods that share memory.
        expect(readdirSync(folder).sort()).toEqual([...names, 'shared']);
      }
      const [first = ''] = folders;
      const inodes = names.map((name) => statSync(join(first, name)).ino);
      expect(inodes).toEqual(names.map((name) => statSync(join(runDir, name)).ino));
      shown.push(inodes, [statSync(first).ino]);
    }
    // The folder is the same, as containers have it mounted.
    expect(shown[1]).toEqual(shown[3]);
    expect(readdirSync(runDir).sort()).toEqual([...names, 'pods']);
  } finally {
    process.umask(before);
    rmSync(runDir, { recursive: true });
  }
});
