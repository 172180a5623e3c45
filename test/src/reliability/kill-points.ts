// Every await of a manager and of a forwarder, and every step by which a forwarder changes the kernel, as a place to die at: found
// in the bundle by a parser, and marked there as they are loaded. The product knows nothing of it; it is started with
// `--import kill-points-preload.js` for it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vite';

/** Before: what is waited for has begun. After: it is done. Changed: the forwarder has just changed something. */
export type Moment = 'before' | 'after' | 'changed';

/** A process: what it is, and of which node. */
export interface Victim {
  readonly program: 'manager' | 'forwarder';
  readonly node: string;
}

/** Where one was, and when. */
export interface Place {
  readonly point: string;
  readonly moment: Moment;
}

/** Source text to load instead, by file. */
export type MarkedSources = Readonly<Record<string, string>>;

const preload = fileURLToPath(new URL('./kill-points-preload.js', import.meta.url));
/** What the nsm command runs: each file has many modules, and before each a line that says where it comes from. */
const bundles = fileURLToPath(new URL('../../../packages/cli/dist/bundle/', import.meta.url));
/** All that a manager does, and all of its forwarder, which is a thread of it or a process of its own. */
const marked = /^packages\/(manager|forwarder)\/dist\/(.*)$/;
/** Calls by which a forwarder changes something: of a netlink socket, of eBPF maps and programs. */
const step =
  /(socket|pod|node|programs|hooks|former|maps)\.(addLink|createLink|setLink|deleteLink|deleteGroup|batch|addAddress|deleteAddress|addRoute|deleteRoute|addFilter|deleteFilter|addQdisc|attach|detach|detachAll|write|delete|serve)$/;

/** A folder in which processes of a mesh are told where to die; `kill-points-preload.ts` reads and writes it as well. */
export class KillPoints implements Disposable {
  /** Put before the command of a manager or forwarder. */
  readonly before: readonly string[];
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'sources.json'), JSON.stringify(markedSources()));
    this.before = ['env', `NODE_OPTIONS=--import=${preload}`, `KILL_POINTS=${dir}`];
  }

  /** From now on a process dies when it comes to a place. */
  arm(victim: Victim, { point, moment }: Place): void {
    writeFileSync(this.#file('armed', victim), `${point} ${moment}`);
  }

  /** True when the process has died there, or is about to. */
  disarm(victim: Victim): boolean {
    const died = !existsSync(this.#file('armed', victim));
    rmSync(this.#file('armed', victim), { force: true });
    return died;
  }

  /**
   * Places that a process has come to since `forget`, in the order of the first time. Of those that a thread passes in one turn of
   * its event loop, where nothing but its own steps comes in between, the first and the last stand for all; changes stand for
   * themselves.
   */
  reached(victim: Victim): Place[] {
    const turns = new Map<string, Place[]>();
    for (const line of read(this.#file('reached', victim)).split('\n').filter(Boolean)) {
      const [point = '', moment, turn = ''] = line.split(' ');
      const places = turns.get(turn) ?? [];
      turns.set(turn, places);
      places.push({ point, moment: moment as Moment });
    }
    return [...turns.values()].flatMap((places) =>
      places.filter(
        ({ moment }, index) => moment === 'changed' || index === 0 || index === places.length - 1,
      ),
    );
  }

  forget(victim: Victim): void {
    rmSync(this.#file('reached', victim), { force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #file(what: 'armed' | 'reached', { program, node }: Victim): string {
    return join(this.#dir, `${what}-${program}-${node}`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly argument?: SyntaxNode;
  readonly callee?: SyntaxNode;
}

function markedSources(): MarkedSources {
  const bundle = join(bundles, readFileSync(join(bundles, 'current'), 'utf8'));
  const files = readdirSync(bundle).filter((file) => file.endsWith('.js'));
  return Object.fromEntries(
    files.flatMap((file) => {
      const source = readFileSync(join(bundle, file), 'utf8');
      const text = mark(source);
      return text === source ? [] : [[join(bundle, file), text]];
    }),
  );
}

/** `await X` becomes `killPoint(POINT, 'after', await killPoint(POINT, 'before', X))`, a step `killPoint(POINT, 'changed', STEP)`. */
function mark(source: string): string {
  const origins = [...source.matchAll(/^\/\/ ((?:packages|node_modules)\/.*\.[cm]?js)$/gm)];
  const inserts: { readonly at: number; readonly text: string }[] = [];
  /** `since` is where the module begins, `folder/file.js`. */
  const visit = (node: unknown, module: string, since: number): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, start, end, argument, callee } = node as SyntaxNode;
    const point = (): string => {
      const line = source.slice(since, start).split('\n').length - 1;
      return JSON.stringify(`${module}:${line}:${start - source.lastIndexOf('\n', start)}`);
    };
    const isStep =
      module.startsWith('forwarder/') &&
      type === 'CallExpression' &&
      callee &&
      step.test(source.slice(callee.start, callee.end));
    if (type === 'AwaitExpression' && argument) {
      inserts.push({ at: start, text: `killPoint(${point()},'after',` });
      inserts.push({ at: argument.start, text: `killPoint(${point()},'before',` }, { at: end, text: '))' });
    } else if (isStep)
      inserts.push({ at: start, text: `killPoint(${point()},'changed',` }, { at: end, text: ')' });
    // What a batch gathers happens when it is sent.
    if (!isStep) for (const child of Object.values(node)) visit(child, module, since);
  };
  for (const statement of parseAst(source).body) {
    const origin = origins.findLast(({ index }) => index < statement.start);
    const [, folder, file] = marked.exec(origin?.[1] ?? '') ?? [];
    if (origin && folder) visit(statement, `${folder}/${file}`, origin.index);
  }
  let text = source;
  // From the end, so that places before stay where they are.
  for (const { at, text: added } of inserts.toSorted((a, b) => b.at - a.at))
    text = text.slice(0, at) + added + text.slice(at);
  return text;
}
