// docs/reliability.md, of which every suite writes its own section.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';

const page = fileURLToPath(new URL('../../../docs/reliability.md', import.meta.url));

/** Replaces what stands between the marks of a section. @throws Error when the page has no such section */
export function writeSection(name: string, text: string): void {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const before = readFileSync(page, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no section between ${begin} and ${end}`);
  const where = `Linux ${release()}, ${cpus().length} cores, Node.js ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
  writeFileSync(page, `${before.slice(0, from)}${begin}\n${where}\n\n${text}\n${before.slice(to)}`);
}
