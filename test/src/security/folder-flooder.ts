// Runs as a process of an ordinary user: changes what is in a folder of its own without end. argv: FOLDER. Prints `flooding`.
import { renameSync, writeFileSync } from 'node:fs';

const [folder = ''] = process.argv.slice(2);
process.chdir(folder);
const aside = `aside-${process.pid}`;
writeFileSync(aside, '');
console.log('flooding');
for (;;) {
  // Another flood may be just as far.
  try {
    renameSync(aside, 'memif.sock');
    renameSync('memif.sock', aside);
  } catch {
    writeFileSync(aside, '');
  }
}
