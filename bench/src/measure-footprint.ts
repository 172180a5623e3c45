// What each command costs before it does anything: how long it takes to start and what memory it holds idle, beside a bare Node.js
// process of the same round.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.js';
import { type Mesh, nsm, services } from './mesh.js';
import type { Plan } from './options.js';
import type { Pod } from './pod.js';
import { median, ratio, rounded } from './statistics.js';

/** Medians of rounds. */
export interface FootprintFigure {
  readonly command: string;
  /** Milliseconds from its start until it says that it is ready or, where it ends by itself, until it has ended. */
  readonly ms: number;
  readonly bareMs: number;
  /** The median of the rounds' own ratios. */
  readonly ratio: number;
  /** Bytes, a second after it was ready; undefined where it ends by itself. */
  readonly rss?: number;
  readonly bareRss?: number;
}

/** A command, and what it prints when it is ready; undefined: it ends by itself. */
interface Start {
  readonly pod: Pod;
  readonly args: readonly string[];
  readonly word?: string;
}

const bare = 'node';
const manager = 'bench-footprint';
const idleMs = 1000;

export async function measureFootprint(
  mesh: Mesh,
  { footprintRounds }: Plan,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<FootprintFigure[]> {
  say('start and memory of each command');
  const taken = new Map<string, { ms: number[]; rss: number[] }>();
  for (let round = 0; round < footprintRounds; round++) {
    const running: Running[] = [];
    for (const [command, start] of Object.entries(starts(mesh, round))) {
      const process = new Running(command, start, cleanup);
      const figures = taken.get(command) ?? { ms: [], rss: [] };
      taken.set(command, figures);
      figures.ms.push(await process.started());
      if (start.word === undefined) continue;
      running.push(process);
      // Before the next has something to do for it.
      await new Promise((resolve) => setTimeout(resolve, idleMs));
      figures.rss.push(process.rss());
    }
    for (const process of running.toReversed()) await process.stop();
  }
  const floor = taken.get(bare) ?? { ms: [], rss: [] };
  return [...taken].map(([command, { ms, rss }]) => ({
    command,
    ms: rounded(median(ms)),
    bareMs: rounded(median(floor.ms)),
    ratio: ratio(ms, floor.ms),
    ...(rss.length > 0 ? { rss: median(rss), bareRss: median(floor.rss) } : {}),
  }));
}

/** In the order in which one needs the other. */
function starts(mesh: Mesh, round: number): Readonly<Record<string, Start>> {
  const { nodes, endpoints, pods, underlay } = mesh;
  const runDir = ['--run-dir', mesh.runDir(manager)];
  const stateDir = (label: string): string[] => [
    ...['--state-dir', join(mesh.folder, `${label}-${round}`)],
    ...['--pki-dir', mesh.pkiDir],
  ];
  const listen = (port: number): string[] => ['--listen', `${underlay.a}:${port}`];
  const service = services.local;
  const named = ['--service', service, '--name', manager];
  return {
    [bare]: {
      pod: nodes.a,
      args: ['-e', 'console.log("ready"); setInterval(() => {}, 2 ** 30)'],
      word: 'ready',
    },
    'nsm --version': { pod: nodes.a, args: [nsm, '--version'] },
    'nsm registry': {
      pod: nodes.a,
      args: [nsm, 'registry', ...listen(5006), ...stateDir('bench-registry')],
      word: '"ready"',
    },
    'nsm manager': {
      pod: nodes.a,
      args: [nsm, 'manager', '--name', manager, ...runDir, ...listen(5005), ...stateDir(manager)],
      word: '"ready"',
    },
    'nsm get': { pod: nodes.a, args: [nsm, 'get', 'services', ...runDir] },
    'nsm endpoint': {
      pod: endpoints.a,
      args: [nsm, 'endpoint', 'icmp-responder', ...named, ...runDir],
      word: ' provides ',
    },
    'nsm connect --hold': {
      pod: pods[0] ?? nodes.b,
      args: [nsm, 'connect', service, '--hold', ...runDir],
      word: 'connected',
    },
  };
}

class Running {
  readonly command: string;
  readonly #child: ChildProcess;
  readonly #word: string | undefined;
  readonly #since = performance.now();
  readonly #forget: () => void;
  #output = '';

  constructor(command: string, { pod, args, word }: Start, cleanup: Cleanup) {
    this.command = command;
    this.#word = word;
    this.#child = pod.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#forget = cleanup.add(() => this.#child.kill('SIGKILL'));
  }

  /** Milliseconds. @throws Error with what it printed when it fails, or ends before it is ready */
  async started(): Promise<number> {
    const word = this.#word;
    await new Promise<void>((resolve, reject) => {
      for (const stream of [this.#child.stdout, this.#child.stderr])
        stream?.on('data', (chunk: Buffer) => {
          this.#output += chunk;
          if (word !== undefined && this.#output.includes(word)) resolve();
        });
      this.#child.once('close', (status) => {
        if (word === undefined && status === 0) resolve();
        else reject(new Error(`${this.command} ended with ${status}: ${this.#output}`));
      });
    });
    return performance.now() - this.#since;
  }

  /** Bytes: VmRSS, proc(5). */
  rss(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await ended;
    this.#forget();
  }
}
