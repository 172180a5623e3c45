// Every await of a manager as a place to die at: found in its compiled source by a parser, and marked there as it is loaded.
// The product knows nothing of it; a manager is started with `--import kill-points-preload.js` for it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseAst } from 'vite';

/** Before: what is waited for has begun. After: it is done. */
export type Moment = 'before' | 'after';

/** Source text to load instead, by URL. */
export type MarkedSources = Readonly<Record<string, string>>;

const dist = fileURLToPath(new URL('../../../packages/manager/dist/', import.meta.url));
const preload = fileURLToPath(new URL('./kill-points-preload.js', import.meta.url));
/** The paths of a request, of its end, of healing and recovery, and what they take addresses from. */
const folders = ['request', 'life', 'addresses'];

/** A folder in which managers of a mesh are told where to die; `kill-points-preload.ts` reads and writes it as well. */
export class KillPoints implements Disposable {
  /** Put before the command of a manager. */
  readonly before: readonly string[];
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'sources.json'), JSON.stringify(markedSources()));
    this.before = ['env', `NODE_OPTIONS=--import=${preload}`, `KILL_POINTS=${dir}`];
  }

  /** From now on the manager of a name dies when it comes to a point. */
  arm(manager: string, point: string, moment: Moment): void {
    writeFileSync(this.#file('armed', manager), `${point} ${moment}`);
  }

  /** True when the manager has died there, or is about to. */
  disarm(manager: string): boolean {
    const died = !existsSync(this.#file('armed', manager));
    rmSync(this.#file('armed', manager), { force: true });
    return died;
  }

  /** Points that the manager of a name has come to since `forget`, in the order of the first time. */
  reached(manager: string): string[] {
    try {
      return [...new Set(readFileSync(this.#file('reached', manager), 'utf8').split('\n').filter(Boolean))];
    } catch {
      return [];
    }
  }

  forget(manager: string): void {
    rmSync(this.#file('reached', manager), { force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #file(what: 'armed' | 'reached', manager: string): string {
    return join(this.#dir, `${what}-${manager}`);
  }
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly argument?: SyntaxNode;
}

function markedSources(): MarkedSources {
  const files = folders.flatMap((folder) =>
    readdirSync(join(dist, folder))
      .filter((name) => /^[^.]+\.js$/.test(name))
      .map((name) => join(folder, name)),
  );
  return Object.fromEntries(
    files.map((file) => [
      pathToFileURL(join(dist, file)).href,
      mark(file, readFileSync(join(dist, file), 'utf8')),
    ]),
  );
}

/** `await X` becomes `killPoint(POINT, 'after', await killPoint(POINT, 'before', X))`. */
function mark(file: string, source: string): string {
  const inserts: { readonly at: number; readonly text: string }[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, start, end, argument } = node as SyntaxNode;
    if (type === 'AwaitExpression' && argument) {
      const line = source.slice(0, start).split('\n').length;
      const point = JSON.stringify(`${file}:${line}:${start - source.lastIndexOf('\n', start)}`);
      inserts.push({ at: start, text: `killPoint(${point},'after',` });
      inserts.push({ at: argument.start, text: `killPoint(${point},'before',` }, { at: end, text: '))' });
    }
    Object.values(node).forEach(visit);
  };
  visit(parseAst(source));
  let marked = source;
  // From the end, so that places before stay where they are.
  for (const { at, text } of inserts.toSorted((a, b) => b.at - a.at))
    marked = marked.slice(0, at) + text + marked.slice(at);
  return marked;
}
