// Runs as a process of an ordinary user in a pod: makes folders in a folder of its own, and puts symbolic links in their place and takes
// them back, as quickly as it can, wherever the folder is moved meanwhile. argv: FOLDER TARGET. Prints `racing`, and ends when all of
// it has gone.
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';

const [folder = '', target = ''] = process.argv.slice(2);
const names = ['a', 'b', 'c', 'd'];

// Reached by the process's own folder, no matter what becomes of the path.
mkdirSync(`${folder}/deep`);
process.chdir(`${folder}/deep`);
for (const name of names) {
  mkdirSync(name);
  for (let n = 0; n < 100; n++) writeFileSync(`${name}/${n}`, '');
  writeFileSync(`${name}/victim`, '');
}
console.log('racing');

const attempt = (work: () => void): boolean => {
  try {
    work();
    return true;
  } catch {
    return false;
  }
};
const isThere = (): boolean =>
  attempt(() => {
    writeFileSync('still', '');
    unlinkSync('still');
  });
const end = Date.now() + 20_000;
while (isThere() && Date.now() < end)
  for (const name of names) {
    if (!attempt(() => renameSync(name, `${name}-aside`))) continue;
    attempt(() => symlinkSync(target, name));
    attempt(() => unlinkSync(name));
    attempt(() => renameSync(`${name}-aside`, name));
  }
