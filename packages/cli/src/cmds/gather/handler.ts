// Gathers part after part, whatever does not answer, and tells on stderr what there is and what there is not.
import { createWriteStream } from 'node:fs';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import { admin, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { counted } from '@nsm/views/texts';
import { defaultRunDir } from '../../flags/common-flags.js';
import { type AskedManager, managersToAsk, operatorCredentials } from '../../managers/managers-to-ask.js';
import { Archive } from './archive.js';
import { type Daemon, readDaemons, runDirOf, secretsOf } from './daemons.js';
import type { GatherFlags } from './flags.js';
import { machineParts } from './machine-parts.js';
import { askFirst, managerParts, type Part } from './manager-parts.js';
import { OwnMesh } from './own-mesh.js';
import { Secrets } from './secrets.js';

/** Of an archive, before it is compressed to a tenth or less. */
const mostCharacters = 256 << 20;

export async function runGather(flags: GatherFlags): Promise<void> {
  const time = new Date();
  const folder = `nsm-gather-${hostname().slice(0, 40)}-${time.toISOString().slice(0, 19).replace(/\D/g, '')}`;
  const file = flags.archive ?? `${folder}.tar.gz`;
  const notes = new Output(false, process.stderr);
  const all = readDaemons();
  const named = flags.runDir.length > 0 || flags.manager.length > 0;
  const runDirs = named ? flags.runDir : runDirsOf(all);
  const gathering = new Gathering(
    new Archive(await open(file), folder, time),
    new Secrets(secretsOf(all)),
    notes,
  );
  await gathering.managers({ ...flags, runDir: runDirs }, named);
  const { mesh } = gathering;
  const daemons = all.filter((one) => mesh.runs(one));
  const machine = { flags, runDir: runDirs[0] ?? defaultRunDir, daemons, mesh, time };
  for (const [what, make] of machineParts) await gathering.section(what, '', () => make(machine));
  const { missing } = gathering;
  await gathering.add({ name: 'missing.json', content: missing }, true);
  await gathering.add({ name: 'README.txt', content: readMe(missing) }, true);
  await gathering.end();
  const { files } = gathering;
  if (flags.json)
    new Output(true, file === '-' ? process.stderr : process.stdout).value({ file, files, missing });
  else notes.line(`${file}: ${counted(files, 'file')}; look through it before you hand it on`);
}

/** Of the managers that run on this machine, the usual one first. */
function runDirsOf(daemons: readonly Daemon[]): string[] {
  const managers = daemons.filter(({ command }) => command === 'manager');
  const found = new Set(managers.flatMap((manager) => runDirOf(manager) ?? []));
  return [...found].toSorted((a, b) => Number(b === defaultRunDir) - Number(a === defaultRunDir));
}

/** Only its owner may read it, and nothing that is there is written over. */
async function open(file: string): Promise<Writable> {
  if (file === '-') return process.stdout;
  const stream = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  await new Promise((resolve, reject) => {
    stream.once('open', resolve);
    const advice = '--archive FILE makes it elsewhere, --archive - prints it';
    stream.once('error', ({ message }) => reject(new NsmError('conflict', `${message}: ${advice}`)));
  });
  return stream;
}

class Gathering {
  /** What could not be had, by what it is of. */
  readonly missing: Record<string, string> = {};
  readonly mesh: OwnMesh = new OwnMesh();
  files = 0;
  #size = 0;
  readonly #archive: Archive;
  readonly #secrets: Secrets;
  readonly #notes: Output;

  constructor(archive: Archive, secrets: Secrets, notes: Output) {
    this.#archive = archive;
    this.#secrets = secrets;
    this.#notes = notes;
  }

  /** @throws NsmError `overload` where the archive is as large as it may be; what was added last says what is missing. */
  async add({ name, content }: Part, isLast = false): Promise<void> {
    const text = typeof content === 'string' ? this.#secrets.withoutIn(content) : this.#secrets.json(content);
    if (!isLast && this.#size + text.length > mostCharacters)
      throw new NsmError('overload', `${name} and what follows it: the archive is full`);
    this.#size += text.length;
    await this.#archive.add(name, text);
    this.files += 1;
  }

  /** All parts of something, in a folder; what is missing is told and no failure. */
  async section(
    what: string,
    folder: string,
    make: () => AsyncIterable<Part> | Iterable<Part>,
  ): Promise<void> {
    this.#notes.draft(`${what}…`);
    const before = this.files;
    try {
      for await (const { name, content } of make()) await this.add({ name: `${folder}${name}`, content });
      this.#notes.line(`${this.#notes.mark('well')} ${what}: ${counted(this.files - before, 'file')}`);
    } catch (thrown) {
      if (this.#archive.isBroken) throw thrown;
      this.#miss(what, thrown);
    }
  }

  /**
   * Those of one mesh: that of the first that answers, and all others that it knows.
   * @param named whether the command line names those to ask, rather than this machine's processes.
   */
  async managers(flags: GatherFlags, named: boolean): Promise<void> {
    const told = ({ err }: { readonly err?: { readonly message: string } }, text: string): void =>
      this.#notes.line(`${text}${err ? `: ${err.message}` : ''}`);
    try {
      const logger = { info: () => undefined, warn: told, error: told };
      using credentials = await operatorCredentials(flags, logger);
      const { asked, ask } = managersToAsk(flags, credentials);
      const done = new Set<string>();
      const waiting: { readonly name: string; readonly manager: AskedManager }[] = asked.map((manager) => ({
        name: manager.where,
        manager,
      }));
      for (const { name, manager } of waiting) {
        if (done.has(name)) {
          manager.channel.close();
          continue;
        }
        for (const known of await this.#manager(name, manager, done, named)) {
          const other = done.has(known.name) || !known.alive ? undefined : ask(known);
          if (typeof other === 'string')
            this.#miss(`manager ${known.name}`, new NsmError('unavailable', other));
          else if (other) waiting.push({ name: known.name, manager: other });
        }
      }
    } catch (thrown) {
      if (this.#archive.isBroken) throw thrown;
      this.#miss('managers', thrown);
    }
  }

  async end(): Promise<void> {
    await this.#archive.end();
  }

  /** @returns the managers that it knows; none when it does not answer, or was asked already by another address. */
  async #manager(
    where: string,
    { channel, explain, where: place }: AskedManager,
    done: Set<string>,
    named: boolean,
  ): Promise<Awaited<ReturnType<typeof askFirst>>['managers']> {
    this.#notes.draft(`manager ${where}…`);
    try {
      const client = channel.client(admin.Admin);
      const view = await askFirst(client);
      const { name } = view.manager;
      if (done.has(name)) return [];
      if (!this.mesh.admit(view, place, named)) {
        this.#notes.line(
          `${this.#notes.mark('untried')} manager ${name} is of another mesh: --run-dir ${place}`,
        );
        return [];
      }
      done.add(name);
      await this.section(`manager ${name}`, `managers/${name.replace(/[^\w.-]/g, '_')}/`, () =>
        managerParts(client, view),
      );
      return view.managers;
    } catch (thrown) {
      if (this.#archive.isBroken) throw thrown;
      this.#miss(`manager ${where}`, withWay(explain(thrown)));
      return [];
    } finally {
      channel.close();
    }
  }

  #miss(what: string, thrown: unknown): void {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    this.missing[what] = this.#secrets.withoutIn(why);
    this.#notes.line(`${this.#notes.mark('warning')} ${what}: ${this.missing[what]}`);
  }
}

/** Managers of a lab, and those of containers, are reached from their own network namespace alone. */
function withWay(error: NsmError): NsmError {
  if (!error.message.includes('ENETUNREACH')) return error;
  return new NsmError(
    error.kind,
    `${error.message}; run this in the network namespace of a manager: nsenter --net=/proc/PID/ns/net nsm gather`,
    error,
  );
}

function readMe(missing: Readonly<Record<string, string>>): string {
  const lines = Object.entries(missing).map(([what, why]) => `  ${what}: ${why}`);
  return `What nsm gather found, for a bug report.

managers/NAME/   what each manager of the mesh says: status, connections with their history and what the kernel lacks of
                 them, why those that are not well would be refused, policy
checks.json      what nsm check finds on this machine; sysctls.json has the kernel's settings
network/         devices, addresses, routes, rules and firewall of this machine; in pods those of the mesh alone
processes.json   the mesh's processes, how they were started, and the sizes of their eBPF maps
logs/            the end of what they logged
folders/         names and sizes of their files

Left out: private keys, tokens, passwords, secrets of interfaces, labels of pods, the audit log, and what is in the
mesh's own files. Names, addresses and the labels of endpoints are here.

Not to be had:
${lines.length > 0 ? lines.join('\n') : '  nothing: all of it is here'}
`;
}
