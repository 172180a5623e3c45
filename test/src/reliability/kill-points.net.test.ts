// A manager or a forwarder killed at every await and every step of a request, of its change and its end, of healing and of
// recovery: it comes back, and nothing is left behind.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { killPointsTried, thorough } from './config.js';
import { KillPoints, type Place, type Victim } from './kill-points.js';
import { leaksOf } from './leak-checker.js';
import { writeSection } from './reliability-page.js';
import { columns, destination, type Seat, Stage } from './stage.js';

/** What a process does when it dies; each begins without a connection. */
interface Path {
  readonly name: string;
  /** What has to be there before. */
  readonly prepare: (stage: Stage, client: Pod) => Promise<unknown>;
  /** The path itself. It may fail: a process dies on it. */
  readonly walk: (stage: Stage, client: Pod, victims: readonly Victim[]) => Promise<unknown>;
}

const isDead = ({ mesh }: Stage, victims: readonly Victim[]): boolean =>
  victims.some(({ program, node }) => {
    const { signalCode } = mesh.nodes.find(({ name }) => name === node)![program].child;
    return signalCode !== null;
  });

const ask = (stage: Stage, client: Pod): Promise<Seat> => stage.request(client);

const restartAll: Path['walk'] = async ({ mesh }, _client, victims) => {
  for (const { program, node } of victims) {
    const present = mesh.nodes.find(({ name }) => name === node);
    if (program === 'manager') await present?.restart('SIGKILL');
    else {
      await present?.endForwarder('SIGKILL');
      await present?.startForwarder();
    }
  }
};

const paths: readonly Path[] = [
  { name: 'request', prepare: async () => undefined, walk: ask },
  { name: 'change', prepare: ask, walk: (stage, client) => stage.request(client, 'changed') },
  { name: 'close', prepare: ask, walk: (stage, client) => stage.close(client) },
  { name: 'recovery', prepare: ask, walk: restartAll },
  {
    name: 'heal',
    prepare: ask,
    walk: async (stage, client, victims) => {
      const serving = await stage.request(client);
      await stage.unseat(serving, 'SIGKILL');
      const over = async (): Promise<boolean> =>
        isDead(stage, victims) || (await stage.request(client)) !== serving;
      await waitFor(over, { timeout: 3_000 });
    },
  },
];

/** Which process dies: of the client's node, or of those of the endpoints, of which the one that is asked will. */
const roles = ['client', 'endpoint'] as const;
type Role = (typeof roles)[number];

describe.skipIf(!requireRoot('kill points'))('where a process is killed, nothing is left behind', () => {
  const summary: string[] = [];
  afterAll(() => {
    const header = ['path', 'client and endpoint', 'killed', "node's", 'places', 'tried', 'clean'];
    const lines = [header, header.map(() => '---')].map((words) => `| ${words.join(' | ')} |`);
    if (thorough) writeSection('kill-points', [...lines, ...summary].join('\n'));
  });

  /** A forwarder in a thread dies with its manager; one that is a process is killed alone. */
  const stages = columns
    .flatMap((column) =>
      (['manager', 'forwarder'] as const).map((program) => ({
        name: `${column.name}: ${program}`,
        column,
        program,
      })),
    )
    .filter(({ column: { tunnel }, program }) => {
      // A manager dies with its forwarder, and GRE has the most steps.
      return thorough || (program === 'manager' && tunnel === 'gre');
    });
  describe.each(stages)('$name', ({ column, program }) => {
    let stage: Stage;
    let points: KillPoints;
    const begin = (): Promise<Stage> =>
      Stage.start(column, { before: points.before, forwarders: program === 'forwarder' });

    beforeAll(async () => {
      points = new KillPoints(mkdtempSync(join(tmpdir(), 'nsmt-kill-')));
      stage = await begin();
    });
    afterAll(async () => {
      await stage?.stop();
      points?.[Symbol.dispose]();
    });

    const victimsOf = (role: Role): readonly Victim[] =>
      (role === 'client' ? [stage.local] : stage.mesh.nodes.slice(1)).map(({ name }) => ({
        program,
        node: name,
      }));

    /** Every place that the path leads to: it is walked once, and nobody dies. */
    const placesOf = async ({ prepare, walk }: Path, victims: readonly Victim[]): Promise<Place[]> => {
      const client = stage.mesh.pod('client');
      await prepare(stage, client);
      for (const victim of victims) points.forget(victim);
      await walk(stage, client, victims);
      const reached = victims.flatMap((victim) => points.reached(victim));
      await stage.tidy();
      return [...new Map(reached.map((place) => [JSON.stringify(place), place])).values()];
    };

    /** Kills a process at one place of a path. Returns what is wrong afterwards. */
    const killAt = async (path: Path, victims: readonly Victim[], place: Place): Promise<string[]> => {
      const client = stage.mesh.pod('client');
      await path.prepare(stage, client);
      for (const victim of victims) points.arm(victim, place);
      await path.walk(stage, client, victims).catch(() => undefined);
      // A place that is passed on some walks only: no death, nothing to see.
      const died = victims.filter((victim) => points.disarm(victim)).map(({ node }) => node);
      for (const node of stage.mesh.nodes) if (died.includes(node.name)) await ended(node, program);
      await stage.restore();
      const found = await leaksOf(stage.mesh);
      await waitFor(() => stage.request(client), { timeout: 10_000, what: 'the same request again' }).catch(
        (error: Error) => found.push(`${error.message}: ${String(error.cause)}`),
      );
      const { received } = await ping(client.name, destination, { count: 2, deadline: 1 });
      if (received === 0) found.push('no packets pass after the same request again');
      await stage.close(client).catch((error: Error) => found.push(error.message));
      found.push(...(await leaksOf(stage.mesh)), ...(await stage.mesh.remains()));
      if (found.length === 0) {
        await stage.tidy();
        stage.mesh.removePod(client);
        return [];
      }
      // What was left behind here must not be found at the next place as well.
      await stage.stop();
      stage = await begin();
      const told = `${path.name}, ${died}, ${place.moment} ${place.point}: ${found.join('; ')}`;
      process.stdout.write(`${told}\n`);
      return [told];
    };

    for (const [index, path] of paths.entries()) {
      // Not thoroughly: every other path, each on another node, where there are two.
      const possible = column.tunnel ? roles : roles.slice(0, 1);
      for (const role of possible.filter((_, n) => thorough || 2 * n === index % 4)) {
        const name = `on the ${role}'s node, on the path of a ${path.name}`;
        it(name, { timeout: 3_600_000 }, async () => {
          const victims = victimsOf(role);
          const all = await placesOf(path, victims);
          expect(all.length).toBeGreaterThan(0);
          const stride = Math.ceil(all.length / killPointsTried);
          const tried = all.filter((_, index) => index % stride === Math.floor(stride / 2));
          const found: string[] = [];
          for (const place of tried) found.push(...(await killAt(path, victims, place)));
          const figures = [all.length, tried.length, tried.length - found.length];
          summary.push(`| ${[path.name, column.name, program, role, ...figures].join(' | ')} |`);
          expect(found).toEqual([]);
        });
      }
    }
  });
});

/** Waits until a process that was killed is gone, whether it had been started or was about to be. */
async function ended(node: MeshNode, program: Victim['program']): Promise<void> {
  if (program === 'manager') await node.halt();
  else await node.endForwarder('SIGKILL').catch(() => undefined);
}
