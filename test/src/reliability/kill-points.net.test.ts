// A manager killed at every await of a request, of its end, of healing and of recovery: it comes back, and nothing is left behind.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../mesh.js';
import type { MeshNode } from '../mesh-node.js';
import { killPointsTried, thorough } from './config.js';
import { KillPoints, type Moment } from './kill-points.js';
import { leaksOf } from './leak-checker.js';
import { isOpenFinding } from './open-failures.js';
import { writeSection } from './reliability-page.js';
import { columns, destination, type Seat, Stage } from './stage.js';

/** What a manager does when it dies; each begins without a connection. */
interface Path {
  readonly name: string;
  /** What has to be there before. */
  readonly prepare: (stage: Stage, client: Pod) => Promise<unknown>;
  /** The path itself. It may fail: a manager dies on it. */
  readonly walk: (stage: Stage, client: Pod, nodes: readonly MeshNode[]) => Promise<unknown>;
}

const ask = (stage: Stage, client: Pod): Promise<Seat> => stage.request(client);

const restartAll: Path['walk'] = async (_stage, _client, nodes) => {
  for (const node of nodes) await node.restart('SIGKILL');
};

const paths: readonly Path[] = [
  { name: 'request', prepare: async () => undefined, walk: ask },
  { name: 'close', prepare: ask, walk: (stage, client) => stage.close(client) },
  { name: 'recovery', prepare: ask, walk: restartAll },
  {
    name: 'heal',
    prepare: ask,
    walk: async (stage, client) => {
      const serving = await stage.request(client);
      await stage.unseat(serving, 'SIGKILL');
      await waitFor(async () => (await stage.request(client)) !== serving, { timeout: 3_000 });
    },
  },
];

const moments: readonly Moment[] = ['before', 'after'];

describe.skipIf(!requireRoot('kill points'))('a manager that is killed', () => {
  const summary: string[] = [];
  afterAll(() => {
    const header = ['path', 'client and endpoint', 'killed node', 'points', 'clean', 'known', 'leaks'];
    const lines = [header, header.map(() => '---')].map((words) => `| ${words.join(' | ')} |`);
    if (thorough) writeSection('kill-points', [...lines, ...summary].join('\n'));
  });

  const shown = columns.filter(({ tunnel }) => tunnel !== 'vxlan');
  describe.each(shown)('$name', (column) => {
    let stage: Stage;
    let points: KillPoints;
    /** Points of the current path at which something is known to be left behind. */
    let known = 0;
    const begin = (): Promise<Stage> => Stage.start(column, { before: points.before });

    beforeAll(async () => {
      points = new KillPoints(mkdtempSync(join(tmpdir(), 'nsmt-kill-')));
      stage = await begin();
    });
    afterAll(async () => {
      await stage?.stop();
      points?.[Symbol.dispose]();
    });

    /** The client's node, or those of the endpoints, of which the one that is asked will die. */
    const nodesOf = (which: 'local' | 'remote'): readonly MeshNode[] =>
      which === 'local' ? [stage.local] : stage.mesh.nodes.slice(1);

    /** Every point that the path has on these nodes: it is walked once, and nobody dies. */
    const pointsOf = async ({ prepare, walk }: Path, nodes: readonly MeshNode[]): Promise<string[]> => {
      const client = stage.mesh.pod('client');
      await prepare(stage, client);
      for (const { name } of nodes) points.forget(name);
      await walk(stage, client, nodes);
      const reached = new Set(nodes.flatMap(({ name }) => points.reached(name)));
      await stage.tidy();
      return [...reached];
    };

    /** Kills a manager at one point of a path. Returns what is wrong afterwards. */
    const killAt = async (
      path: Path,
      nodes: readonly MeshNode[],
      point: string,
      moment: Moment,
    ): Promise<string[]> => {
      const client = stage.mesh.pod('client');
      await path.prepare(stage, client);
      for (const { name } of nodes) points.arm(name, point, moment);
      await path.walk(stage, client, nodes).catch(() => undefined);
      // A point that is passed on some walks only: no death, nothing to see.
      const died = nodes.filter(({ name }) => points.disarm(name));
      await Promise.all(died.map((node) => node.halt()));
      await Promise.all(nodes.map((node) => node.revive()));
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
        return [];
      }
      // What was left behind here must not be found at the next point as well.
      await stage.stop();
      stage = await begin();
      const told = `${path.name}, ${died.map(({ name }) => name)}, ${moment} ${point}: ${found.join('; ')}`;
      if (!isOpenFinding(told)) return [told];
      process.stdout.write(`known: ${told}\n`);
      known++;
      return [];
    };

    for (const path of paths) {
      for (const which of column.tunnel ? (['local', 'remote'] as const) : (['local'] as const)) {
        it(`on the ${which} node, on the path of a ${path.name}`, { timeout: 3_600_000 }, async () => {
          const all = (await pointsOf(path, nodesOf(which))).flatMap((point) =>
            moments.map((moment) => ({ point, moment })),
          );
          expect(all.length).toBeGreaterThan(0);
          const stride = Math.ceil(all.length / killPointsTried);
          const tried = all.filter((_, index) => index % stride === Math.floor(stride / 2));
          const found: string[] = [];
          known = 0;
          for (const { point, moment } of tried)
            found.push(...(await killAt(path, nodesOf(which), point, moment)));
          const { length } = tried;
          const clean = length - found.length - known;
          summary.push(
            `| ${path.name} | ${column.name} | ${which} | ${length} | ${clean} | ${known} | ${found.length} |`,
          );
          expect(found).toEqual([]);
        });
      }
    }
  });
});
