// Runs everything that a page has people type, in the page's order, on a machine of its own: namespaces that end with it.
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Typed, typedIn } from './commands.js';
import { type Block, type Page, root } from './pages.js';
import { misfit } from './shape.js';

/** Milliseconds for all commands of a page. */
const pageMs = 300_000;
/** Of what a command printed, how much is told when it was not what it should be. */
const toldCharacters = 1500;

interface Step extends Typed {
  readonly block: Block;
  readonly stays?: string;
}

/** @returns what did not go as the page says, each with its place */
export async function runPage(page: Page): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-page-'));
  try {
    const blocks = page.blocks.filter(({ notRun }) => notRun === undefined);
    const steps = blocks.flatMap((block): Step[] =>
      typedIn(block).map((typed) => ({
        ...typed,
        block,
        ...(block.stays !== undefined && { stays: block.stays }),
      })),
    );
    const work = join(folder, 'work');
    const files = join(folder, 'steps');
    for (const path of [work, files]) mkdirSync(path);
    // What a page writes is not written into the clone.
    for (const name of readdirSync(root)) symlinkSync(join(root, name), join(work, name));
    writeFileSync(join(folder, 'page.sh'), script(folder, blocks, steps));
    const ended = await runAlone(join(folder, 'page.sh'));
    return outcome(page, steps, files, ended);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function script(folder: string, blocks: readonly Block[], steps: readonly Step[]): string {
  const lines = [
    `clone=${root} work=${folder}/work steps=${folder}/steps`,
    `. ${join(root, 'test/src/docs/prelude.sh')}`,
  ];
  for (const block of blocks) {
    if (block.file !== undefined) {
      const path = join(folder, 'files', block.file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, block.lines.map((line) => `${line}\n`).join(''));
      lines.push(`rm -f ${block.file} && mkdir -p $(dirname ${block.file}) && cp ${path} ${block.file}`);
    }
    for (const [name, command] of Object.entries(block.where))
      lines.push(`export FOR_${name}="$(${command})"`);
    for (const [index, step] of steps.entries()) {
      if (step.block !== block) continue;
      writeFileSync(join(folder, 'steps', `${index}.sh`), textOf(step, folder, index));
      for (const [name, command] of Object.entries(block.where))
        if (placeholder(name).test(step.text)) lines.push(`export FOR_${name}="$(${command})"`);
      lines.push(step.stays === undefined ? `step ${index}` : `stay ${index} '${step.stays}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** With what its placeholders stand for. A step on another machine is a script of its own. */
function textOf({ text, machine: named, block }: Step, folder: string, index: number): string {
  const machine = named ?? block.on;
  let typed = text;
  for (const name of Object.keys(block.where)) typed = typed.replaceAll(placeholder(name), `\${FOR_${name}}`);
  if (machine === undefined) return `${typed}\n`;
  const path = join(folder, 'steps', `${index}.${machine}.sh`);
  writeFileSync(path, `${typed}\n`);
  return `on ${machine} ${path}\n`;
}

function placeholder(name: string): RegExp {
  return new RegExp(`\\b${name}\\b`, 'g');
}

/** @returns '' or why it did not come to its end */
function runAlone(file: string): Promise<string> {
  const own = [
    '--mount',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
  ];
  return new Promise((resolve) => {
    // `unshare` leaves SIGTERM to what it runs.
    const limit = { timeout: pageMs, killSignal: 'SIGKILL' } as const;
    execFile('unshare', [...own, 'bash', file], limit, (error, stdout, stderr) => {
      // A shell says when it finds that a job was killed, which pages do.
      const words = `${stdout}${stderr}`.replace(/^.*: line \d+: +\d+ Killed .*$/gm, '').trim();
      const why = error?.killed ? `not done after ${pageMs} ms` : words;
      resolve(error?.killed || why !== '' ? why : '');
    });
  });
}

function outcome({ path }: Page, steps: readonly Step[], files: string, ended: string): string[] {
  const read = (name: string): string => {
    try {
      return readFileSync(join(files, name), 'utf8');
    } catch {
      return '';
    }
  };
  const results = new Map(
    read('results')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const),
  );
  const wrong = steps.flatMap((step, index) => {
    const status = results.get(`${index}`);
    const printed = read(`${index}.out`);
    const why = status === undefined ? 'not run' : whyWrong(step, status, printed);
    return why === ''
      ? []
      : [`${path}:${step.line}: ${step.text}\n${why}\n${printed.slice(-toldCharacters)}`];
  });
  return ended === '' ? wrong : [`${path}: ${ended}`, ...wrong];
}

function whyWrong({ shown }: Step, status: string, printed: string): string {
  // A page that shows a failure means it.
  const refused = shown?.some((line) => /^((nsm|error|curl): |× )/.test(line)) === true;
  if (refused === (status === '0')) return `exit status ${status}`;
  return shown ? misfit(shown, printed) : '';
}
